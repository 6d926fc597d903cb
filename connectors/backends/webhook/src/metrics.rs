//! Counters of a webhook.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one request came to, as a label of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestOutcome {
    /// 2xx.
    Accepted,
    /// 410.
    Gone,
    /// Any other status that a retry can't cure.
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

impl RequestOutcome {
    /// All of them.
    pub const ALL: [RequestOutcome; 7] = [
        RequestOutcome::Accepted,
        RequestOutcome::Gone,
        RequestOutcome::Refused,
        RequestOutcome::Throttled,
        RequestOutcome::ServerError,
        RequestOutcome::Timeout,
        RequestOutcome::Transport,
    ];

    /// The label's value in `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            RequestOutcome::Accepted => "accepted",
            RequestOutcome::Gone => "gone",
            RequestOutcome::Refused => "refused",
            RequestOutcome::Throttled => "throttled",
            RequestOutcome::ServerError => "server_error",
            RequestOutcome::Timeout => "timeout",
            RequestOutcome::Transport => "transport",
        }
    }
}

/// Requests made, by what they came to: `flyball_webhook_requests_total{backend, outcome}`.
#[derive(Debug, Default)]
pub struct WebhookMetrics {
    requests: [AtomicU64; RequestOutcome::ALL.len()],
}

impl WebhookMetrics {
    pub(crate) fn count(&self, outcome: RequestOutcome) {
        self.requests[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The requests that came to this.
    pub fn requests(&self, outcome: RequestOutcome) -> u64 {
        self.requests[outcome as usize].load(Ordering::Relaxed)
    }
}
