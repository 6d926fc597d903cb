//! The HTTP client of the commands that ask a running server.

use anyhow::{Context, bail};
use bytes::Bytes;
use serde_json::Value;

/// Asks and returns the body of a 2xx answer.
///
/// # Errors
/// When nobody answers, or with the server's own message and hint.
pub(crate) async fn ask(request: reqwest::RequestBuilder, url: &str) -> anyhow::Result<Bytes> {
    let response = request.send().await.with_context(|| {
        format!("no flyball answers at {url}; start one with `flyball serve`, or name another with --url")
    })?;
    let status = response.status();
    let body = response.bytes().await.context("the answer broke off")?;
    if status.is_success() {
        return Ok(body);
    }
    let error = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    match (error["error"]["message"].as_str(), error["error"]["hint"].as_str()) {
        (Some(message), Some(hint)) if !hint.is_empty() => bail!("{message}\nhint: {hint}"),
        (Some(message), _) => bail!("{message}"),
        _ => bail!("{url} answered {status}: {}", String::from_utf8_lossy(&body)),
    }
}

/// `url` with `path` below it.
pub(crate) fn at(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}
