//! What the configuration says of an Alertmanager.

use std::fmt;
use std::time::Duration;

/// How often an alert that fires is sent again unless configured otherwise, as Prometheus does (`--rules.alert.resend-delay`).
pub const RESEND_EVERY_DEFAULT: Duration = Duration::from_secs(60);

/// How long one request may take unless configured otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// A `backends:` entry of `kind: alertmanager`.
#[derive(Clone)]
pub struct AlertmanagerOptions {
    /// Its name, by which rules address it.
    pub name: String,
    /// Where it is, without `/api/v2`: `http://127.0.0.1:9093`. Credentials in it become basic authentication.
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// How often an alert that fires is sent again. It counts as resolved when it was not for four times as long. Default
    /// [`RESEND_EVERY_DEFAULT`].
    pub resend_every: Duration,
    /// How long one request may take. Default [`TIMEOUT_DEFAULT`].
    pub timeout: Duration,
    /// Lets alerts go to link-local and metadata addresses.
    pub allow_link_local: bool,
    /// Where people reach flyball, for the alerts' `generatorURL`: `http://edge-1:8480`.
    pub external_url: String,
}

impl fmt::Debug for AlertmanagerOptions {
    /// Leaves out the token, and the URL since it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertmanagerOptions")
            .field("name", &self.name)
            .field("resend_every", &self.resend_every)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
