//! An Alertmanager as a [`Backend`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flyball_model::action::ActionKind;
use flyball_model::event::{Event, EventKind, State, Transition};
use flyball_model::ports::{Backend, Delivery};
use flyball_model::{Clock, Pauses};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::alert::Alert;
use crate::client::{Outcome, Requests};
use crate::error::AlertmanagerError;
use crate::options::AlertmanagerOptions;
use crate::over::Over;

/// An alert lasts so many times as long as it takes until it is sent again: three reminders may be lost, as with Prometheus.
const LASTS: u32 = 4;

/// Alerts in one request of a reminder.
const ALERTS_AT_ONCE: usize = 256;

/// Posts alerts to one Alertmanager.
#[derive(Debug)]
pub struct AlertmanagerBackend {
    name: String,
    external_url: String,
    resend_every: Duration,
    timeout: Duration,
    requests: Requests,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    pauses: Pauses,
    over: Mutex<Over>,
    /// Held by a reminder, and by what is over, while they are sent: whatever comes second knows of the first.
    wire: tokio::sync::Mutex<()>,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

impl AlertmanagerBackend {
    /// Makes the backend; no connection is opened yet.
    ///
    /// `clock` says how long alerts last, and when an event has expired. Once `cancel` is cancelled an event gets the try that is under
    /// way, or its first one, and no other after it. Proxies that the environment names are not used.
    ///
    /// # Errors
    /// When an option can't be used, or when no rustls crypto provider has been installed for the process.
    pub fn new(
        options: AlertmanagerOptions,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<Self, AlertmanagerError> {
        let requests = Requests::new(&options)?;
        let AlertmanagerOptions { name, resend_every, timeout, external_url, .. } = options;
        for (value, key, example) in [(resend_every, "resend_every", "1m"), (timeout, "timeout", "10s")] {
            if value.is_zero() {
                return Err(AlertmanagerError::Zero { backend: name, key, example });
            }
        }
        Ok(Self {
            name,
            external_url,
            resend_every,
            timeout,
            requests,
            clock,
            cancel,
            pauses: Pauses::default(),
            over: Mutex::default(),
            wire: tokio::sync::Mutex::default(),
            outcomes: Default::default(),
        })
    }

    /// The alert as it is to be sent now.
    fn alert(&self, transition: &Transition) -> Alert {
        Alert::of(transition, self.clock.now().plus(self.resend_every * LASTS), &self.external_url)
    }

    async fn post(&self, alerts: &[Alert], timeout: Duration) -> (Outcome, String) {
        let (outcome, reason) = self.requests.post(alerts, timeout).await;
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        (outcome, reason)
    }

    /// One try to tell of a change.
    async fn tell(&self, transition: &Transition, timeout: Duration) -> (Outcome, String) {
        if transition.state != State::Resolved {
            return self.post(&[self.alert(transition)], timeout).await;
        }
        // Before the wire is waited for: a reminder that gets it first leaves this one out.
        self.over.lock().insert(&transition.violation);
        let _wire = self.wire.lock().await;
        self.post(&[self.alert(transition)], timeout).await
    }
}

#[async_trait]
impl Backend for AlertmanagerBackend {
    fn name(&self) -> &str {
        &self.name
    }

    /// Telling, and nothing else.
    fn can(&self, action: ActionKind) -> bool {
        action == ActionKind::Notify
    }

    /// Alertmanager knows nothing of what may yet fire.
    fn wants(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Violation(state) => state != State::Pending,
            EventKind::RemediationRequested => false,
        }
    }

    fn reminded_every(&self) -> Option<Duration> {
        Some(self.resend_every)
    }

    async fn remind(&self, firing: &[Transition]) {
        let _wire = self.wire.lock().await;
        for some in firing.chunks(ALERTS_AT_ONCE) {
            let alerts: Vec<Alert> = {
                let over = self.over.lock();
                let still = some.iter().filter(|transition| !over.contains(&transition.violation));
                still.map(|transition| self.alert(transition)).collect()
            };
            if alerts.is_empty() {
                continue;
            }
            let (outcome, reason) = self.post(&alerts, self.timeout).await;
            if outcome != Outcome::Accepted {
                warn!(
                    backend = self.name,
                    alerts = alerts.len(),
                    reason,
                    "alerts that still fire could not be sent again"
                );
                // The rest would wait for the same answer, and whoever waits for the wire with it.
                break;
            }
        }
        self.over.lock().reminded();
    }

    fn requests(&self) -> Vec<(&'static str, u64)> {
        let count = |outcome: &Outcome| (outcome.as_str(), self.outcomes[*outcome as usize].load(Ordering::Relaxed));
        Outcome::ALL.iter().map(count).collect()
    }

    async fn deliver(&self, event: &Event) -> Delivery {
        let mut pauses = self.pauses.clone();
        let mut last_failure = "it expired before the first try".to_owned();
        let mut attempts = 0;
        loop {
            let left = event.expires_at.since(self.clock.now());
            if left.is_zero() {
                return Delivery::Expired { reason: last_failure };
            }
            attempts += 1;
            match self.tell(&event.transition, self.timeout.min(left)).await {
                (Outcome::Accepted, _) => return Delivery::Accepted { attempts },
                (Outcome::Refused, reason) => return Delivery::Failed { reason },
                (_, reason) => {
                    debug!(backend = self.name, event = event.id, attempts, reason, "alert not taken");
                    last_failure = reason;
                }
            }
            let left = event.expires_at.since(self.clock.now());
            let Some(pause) = pauses.next(left, None, rand::random()) else {
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

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
