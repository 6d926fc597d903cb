//! What the configuration says of a webhook.

use std::fmt;
use std::time::Duration;

use flyball_model::event::EventKind;

/// How long one request may take, from the connection to the end of the answer, unless configured otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// A `backends:` entry of `kind: webhook`.
#[derive(Clone)]
pub struct WebhookOptions {
    /// Its name, by which rules address it.
    pub name: String,
    /// Where to post, `http` or `https`. Credentials in it become basic authentication.
    pub url: String,
    /// Secrets for the signature, separated by blanks (several while one is replaced by another): `whsec_` and base64, or
    /// any other text. `None` sends events unsigned.
    pub secret: Option<String>,
    /// Narrows the violation's events to these; `None` takes them all. A request that a rule addresses to this backend is
    /// sent whatever stands here, so a list of [`EventKind::RemediationRequested`] alone means requests alone.
    pub events: Option<Vec<EventKind>>,
    /// How long one request may take. Default [`TIMEOUT_DEFAULT`].
    pub timeout: Duration,
    /// Lets events go to link-local and metadata addresses.
    pub allow_link_local: bool,
    /// CloudEvents' `source`: `/flyball/<host>`.
    pub source: String,
}

impl fmt::Debug for WebhookOptions {
    /// Leaves out the secret, and the URL since many services put a token into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookOptions")
            .field("name", &self.name)
            .field("signed", &self.secret.is_some())
            .field("events", &self.events)
            .field("timeout", &self.timeout)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
