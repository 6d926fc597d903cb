//! The webhook as a [`Backend`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flyball_client::{backend_client, reason, refused_in};
use flyball_model::action::ActionKind;
use flyball_model::event::{Event, EventKind};
use flyball_model::ports::{Backend, Delivery};
use flyball_model::time::Clock;
use flyball_model::{Pauses, explain};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Url};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::answer::{self, Answer};
use crate::cloud_event::cloud_event;
use crate::error::WebhookError;
use crate::metrics::{RequestOutcome, WebhookMetrics};
use crate::options::WebhookOptions;
use crate::signature::Keys;

/// CloudEvents' media type for structured JSON.
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// Posts events to one URL.
#[derive(Debug)]
pub struct WebhookBackend {
    name: String,
    url: Url,
    keys: Keys,
    events: Option<Vec<EventKind>>,
    timeout: Duration,
    source: String,
    client: Client,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    pauses: Pauses,
    disabled: AtomicBool,
    metrics: WebhookMetrics,
}

impl WebhookBackend {
    /// Makes the backend; no connection is opened yet.
    ///
    /// `clock` gives the timestamp of each request and says when an event has expired. Once `cancel` is cancelled an event
    /// gets the try that is under way, or its first one, and no pause and no other try after it.
    ///
    /// Proxies that the environment names are not used. The system's CA certificates are needed for `https` only.
    ///
    /// # Errors
    /// When an option can't be used, or when no rustls crypto provider has been installed for the process.
    pub fn new(
        options: WebhookOptions,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<Self, WebhookError> {
        let WebhookOptions { name, url, secret, events, timeout, allow_link_local, source } = options;
        let url = parse_url(&name, &url)?;
        if let Some(address) = refused_in(&url).filter(|_| !allow_link_local) {
            return Err(WebhookError::LinkLocal { backend: name, address });
        }
        let keys = match secret {
            Some(secret) => Keys::parse(&name, &secret)?,
            None => {
                warn!(backend = name, "webhook has no secret, so its events are unsigned");
                Keys::default()
            }
        };
        if timeout.is_zero() {
            return Err(WebhookError::Timeout { backend: name });
        }
        let client = backend_client(&url, HeaderMap::new(), allow_link_local)
            .map_err(|reason| WebhookError::Client { backend: name.clone(), reason })?;
        Ok(Self {
            name,
            url,
            keys,
            events,
            timeout,
            source,
            client,
            clock,
            cancel,
            pauses: Pauses::default(),
            disabled: AtomicBool::new(false),
            metrics: WebhookMetrics::default(),
        })
    }

    /// Its counters.
    pub fn metrics(&self) -> &WebhookMetrics {
        &self.metrics
    }

    /// Whether the consumer said 410 Gone since the configuration was read.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// One request, and what came of it. Takes at most `timeout`.
    async fn request(&self, event: &Event, body: Bytes, timeout: Duration) -> Answer {
        let timestamp = self.clock.now().0.div_euclid(1_000_000_000);
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(timeout)
            .header(CONTENT_TYPE, CLOUD_EVENT)
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp);
        if let Some(signature) = self.keys.sign(&event.id, timestamp, &body) {
            request = request.header("webhook-signature", signature);
        }
        let answer = match request.body(body).send().await {
            Ok(response) => self.read(response).await,
            Err(error) => transport_failure(error),
        };
        self.metrics.count(match &answer {
            Answer::Accepted => RequestOutcome::Accepted,
            Answer::Gone => RequestOutcome::Gone,
            Answer::Refused { .. } => RequestOutcome::Refused,
            Answer::Retry { outcome, .. } => *outcome,
        });
        answer
    }

    async fn read(&self, response: reqwest::Response) -> Answer {
        let status = response.status();
        let outcome = answer::outcome_of(status);
        match outcome {
            RequestOutcome::Accepted => Answer::Accepted,
            RequestOutcome::Gone => Answer::Gone,
            RequestOutcome::Refused => Answer::Refused { reason: reason(response).await },
            _ => {
                let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let after = header.and_then(|value| answer::retry_after(value, self.clock.now()));
                let reason = reason(response).await;
                Answer::Retry { outcome, reason, after }
            }
        }
    }
}

#[async_trait]
impl Backend for WebhookBackend {
    fn name(&self) -> &str {
        &self.name
    }

    /// Everything: the consumer is told what is asked, and does it.
    fn can(&self, action: ActionKind) -> bool {
        match action {
            ActionKind::Notify | ActionKind::ScaleOut | ActionKind::ScaleIn => true,
        }
    }

    fn wants(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Violation(_) => self.events.as_ref().is_none_or(|events| events.contains(&kind)),
            EventKind::RemediationRequested => true,
        }
    }

    fn requests(&self) -> Vec<(&'static str, u64)> {
        RequestOutcome::ALL.iter().map(|&outcome| (outcome.as_str(), self.metrics.requests(outcome))).collect()
    }

    async fn deliver(&self, event: &Event) -> Delivery {
        let body = cloud_event(event, &self.source);
        let mut pauses = self.pauses.clone();
        let mut last_failure = "it expired before the first try".to_owned();
        let mut attempts = 0;
        loop {
            // Another event may have met the 410 while this one waited.
            if self.is_disabled() {
                return Delivery::Disabled;
            }
            let left = event.expires_at.since(self.clock.now());
            if left.is_zero() {
                return Delivery::Expired { reason: last_failure };
            }
            attempts += 1;
            let after = match self.request(event, body.clone(), self.timeout.min(left)).await {
                Answer::Accepted => return Delivery::Accepted { attempts },
                Answer::Refused { reason } => return Delivery::Failed { reason },
                Answer::Gone => {
                    self.disabled.store(true, Ordering::Relaxed);
                    warn!(backend = self.name, "webhook answered 410 Gone and gets nothing until flyball is restarted");
                    return Delivery::Disabled;
                }
                Answer::Retry { reason, after, .. } => {
                    debug!(backend = self.name, event = event.id, attempts, reason, "webhook delivery failed");
                    last_failure = reason;
                    after
                }
            };
            let left = event.expires_at.since(self.clock.now());
            let Some(pause) = pauses.next(left, after, rand::random()) else {
                return Delivery::Expired { reason: last_failure };
            };
            tokio::select! {
                () = self.cancel.cancelled() => {
                    return Delivery::Interrupted { reason: format!("flyball is stopping; before that: {last_failure}") };
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

fn parse_url(backend: &str, url: &str) -> Result<Url, WebhookError> {
    let backend = || backend.to_owned();
    let url = Url::parse(url).map_err(|error| WebhookError::Url { backend: backend(), reason: error.to_string() })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(WebhookError::Scheme { backend: backend(), scheme: scheme.to_owned() }),
    }
}

fn transport_failure(error: reqwest::Error) -> Answer {
    // The URL may hold a token, and the reason becomes a row that many may read.
    let error = error.without_url();
    if error.is_builder() {
        return Answer::Refused { reason: explain(&error) };
    }
    let outcome = if error.is_timeout() { RequestOutcome::Timeout } else { RequestOutcome::Transport };
    Answer::Retry { outcome, reason: explain(&error), after: None }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
