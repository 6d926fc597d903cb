//! Alerts to Prometheus' Alertmanager, API v2.
//!
//! Alertmanager forgets: an alert that is not sent again before its `endsAt` counts as resolved. So each is sent when it fires, again
//! every so often while it does, and once more when it is over.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what the configuration says, checked |
//! | `alert` | a violation in Alertmanager's words |
//! | `backend` | the port's implementation: delivery, tried again until the event expires, and reminders |
//! | `over` | what is over, so that no reminder that was made before brings it back |
//! | `client` | requests, their answers, and addresses that are refused |
//! | `error` | what can be wrong with the options |

mod alert;
mod backend;
mod client;
mod error;
mod options;
mod over;

pub use backend::AlertmanagerBackend;
pub use error::AlertmanagerError;
pub use options::{AlertmanagerOptions, RESEND_EVERY_DEFAULT, TIMEOUT_DEFAULT};
