//! `http_sd`: a URL that answers target groups as JSON.

use std::convert::Infallible;
use std::time::Duration;

use flyball_model::relabel::LabelSet;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::Url;
use tokio::time::MissedTickBehavior;

use super::super::client::{Client, collect};
use super::super::options::HttpOptions;
use super::{Teller, groups};
use crate::headers::{MediaType, quoted};

/// An answer is at most this long.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Requests closer together than this would find nothing more.
const REFRESH_MIN: Duration = Duration::from_millis(100);

const ORIGIN: &str = "__meta_url";

/// How Prometheus tells a discovery how often it comes.
const REFRESH_HEADER: HeaderName = HeaderName::from_static("x-prometheus-refresh-interval-seconds");

pub(super) async fn run(
    url: &str,
    refresh: Duration,
    options: &HttpOptions,
    job: &str,
    mut teller: Teller,
) -> Infallible {
    let client = Url::parse(url).map_err(|error| error.to_string()).and_then(|parsed| {
        let client = Client::new(options, parsed.scheme() == "https", parsed.host_str());
        client.map(|client| (client, parsed)).map_err(|error| error.to_string())
    });
    let (client, url) = match client {
        Ok(made) => made,
        Err(problem) => {
            tracing::error!(job, url, problem, "targets can't be asked for; this discovery finds nothing");
            return std::future::pending().await;
        }
    };
    let mut ticks = tokio::time::interval(refresh.max(REFRESH_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut failing = false;
    loop {
        ticks.tick().await;
        let found = match tokio::time::timeout(TIMEOUT, ask(&client, &url, refresh)).await {
            Ok(found) => found,
            Err(_) => Err(format!("no whole answer within {TIMEOUT:?}")),
        };
        match found {
            Ok(targets) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(job, %url, "targets are told again");
                }
                teller.tell(targets).await;
            }
            Err(problem) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(job, %url, problem, "targets could not be asked for; those known stay");
                }
            }
        }
    }
}

async fn ask(client: &Client, url: &Url, refresh: Duration) -> Result<Vec<LabelSet>, String> {
    let seconds = refresh.as_secs_f64().to_string();
    let headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (REFRESH_HEADER, HeaderValue::from_str(&seconds).expect("a number is ASCII")),
    ]);
    let response = client.get(url, headers).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is HTTP status {}", response.status()));
    }
    if !MediaType::of(response.headers()).is_some_and(|media| media.is("application/json")) {
        return Err(format!(
            "the content type is {} and must be application/json",
            quoted(response.headers(), CONTENT_TYPE)
        ));
    }
    let body = collect(response, ANSWER_BYTES_MAX).await?;
    groups::from_json(&body, (ORIGIN, url.as_str()))
}
