//! A piece of a stream to the server, and its answer.

use std::time::Duration;

use anyhow::Context;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

/// How often a server that is too busy is asked again. With its usual `Retry-After` of 2 s this is a minute: a flush of a full
/// store takes seconds.
const TRIES: usize = 30;

/// The longest wait that a server can ask for.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What the server says of a piece.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) stored: u64,
    #[serde(default)]
    pub(super) reasons: Vec<Reason>,
    #[serde(default)]
    pub(super) faults: Vec<Fault>,
}

/// Points that were refused.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    pub(super) reason: String,
    pub(super) points: u64,
    pub(super) detail: String,
}

/// A report that could not be read, by its number in the piece.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) report: u64,
    pub(super) message: String,
}

/// Sends a piece, again and again while the server says "not now": it stores a body whole or not at all.
///
/// # Errors
/// When nobody answers, or with the server's own message.
pub(super) async fn piece(
    client: &reqwest::Client,
    target: &reqwest::Url,
    url: &str,
    body: &bytes::Bytes,
) -> anyhow::Result<Answer> {
    let mut tries = TRIES;
    loop {
        let response = client
            .post(target.clone())
            .body(body.clone())
            .send()
            .await
            .map_err(|error| crate::client::unanswered(url, error))?;
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE && tries > 1 {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            tokio::time::sleep(asked.map_or(Duration::from_secs(1), Duration::from_secs).min(WAIT_MAX)).await;
            tries -= 1;
            continue;
        }
        let body = response.bytes().await.context("the answer broke off")?;
        // Also an answer of 400 says what of the piece was taken.
        if let Ok(answer) = serde_json::from_slice::<Answer>(&body) {
            return Ok(answer);
        }
        return Err(crate::client::told(status, &body, url));
    }
}
