//! Signed CloudEvents over HTTP: the webhook backend.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what the configuration says, checked |
//! | `backend` | the port's implementation: one event delivered, tried again until it expires |
//! | `cloud_event` | the body: CloudEvents 1.0, structured JSON |
//! | `signature` | the headers: Standard Webhooks 1.0.0, HMAC-SHA256 |
//! | `answer` | what an answer means: taken, try again, refused, gone |
//! | `metrics` | counters of requests and of what became of them |
//!
//! `docs/events.md` describes the same from the consumer's side.

mod answer;
mod backend;
mod cloud_event;
mod error;
mod metrics;
mod options;
mod signature;

pub use backend::WebhookBackend;
pub use error::WebhookError;
pub use metrics::{RequestOutcome, WebhookMetrics};
pub use options::{TIMEOUT_DEFAULT, WebhookOptions};
