//! Requests to Alertmanager, and what their answers mean.

use std::time::Duration;

use flyball_client::{backend_client, reason, refused_in};
use flyball_model::explain;
use http::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Url};

use crate::alert::Alert;
use crate::error::AlertmanagerError;
use crate::options::AlertmanagerOptions;

/// What a request came to, as a label of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 2xx.
    Accepted,
    /// A status that another try can't cure.
    Refused,
    /// 429; tried again.
    Throttled,
    /// 5xx; tried again.
    ServerError,
    /// No answer in time; tried again.
    Timeout,
    /// No connection, or one that broke; tried again.
    Transport,
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 6] = [
        Outcome::Accepted,
        Outcome::Refused,
        Outcome::Throttled,
        Outcome::ServerError,
        Outcome::Timeout,
        Outcome::Transport,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
            Outcome::Throttled => "throttled",
            Outcome::ServerError => "server_error",
            Outcome::Timeout => "timeout",
            Outcome::Transport => "transport",
        }
    }

    /// Redirects are refused: following one would carry credentials to a place nobody configured.
    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Outcome::Accepted,
            429 => Outcome::Throttled,
            500..=599 => Outcome::ServerError,
            _ => Outcome::Refused,
        }
    }
}

/// Posts alerts.
#[derive(Debug)]
pub(crate) struct Requests {
    client: Client,
    url: Url,
}

impl Requests {
    pub(crate) fn new(options: &AlertmanagerOptions) -> Result<Self, AlertmanagerError> {
        let backend = || options.name.clone();
        let wrong = |reason: String| AlertmanagerError::Url { backend: backend(), reason };
        let mut url = Url::parse(&options.url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("its scheme is '{}'", url.scheme())));
        }
        if let Some(address) = refused_in(&url).filter(|_| !options.allow_link_local) {
            return Err(AlertmanagerError::LinkLocal { backend: backend(), address });
        }
        let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let client = backend_client(&url, headers(options)?, options.allow_link_local)
            .map_err(|reason| AlertmanagerError::Client { backend: backend(), reason })?;
        Ok(Self { client, url })
    }

    /// One request. The reason is empty when it was accepted.
    pub(crate) async fn post(&self, alerts: &[Alert], timeout: Duration) -> (Outcome, String) {
        match self.client.post(self.url.clone()).timeout(timeout).json(alerts).send().await {
            Ok(response) => {
                let status = response.status();
                match Outcome::of(status) {
                    Outcome::Accepted => (Outcome::Accepted, String::new()),
                    outcome => (outcome, reason(response).await),
                }
            }
            Err(error) => {
                // The URL may hold a password, and the reason becomes a row that many may read.
                let error = error.without_url();
                let outcome = match &error {
                    error if error.is_builder() => Outcome::Refused,
                    error if error.is_timeout() => Outcome::Timeout,
                    _ => Outcome::Transport,
                };
                (outcome, explain(&error))
            }
        }
    }
}

fn headers(options: &AlertmanagerOptions) -> Result<HeaderMap, AlertmanagerError> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &options.token {
        let wrong = || AlertmanagerError::Token { backend: options.name.clone() };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| wrong())?;
        if token.trim().is_empty() {
            return Err(wrong());
        }
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
