//! `backends:`, by kind.

use std::fmt;
use std::time::Duration;

use flyball_backend_alertmanager::RESEND_EVERY_DEFAULT;
use flyball_model::event::EventKind;
use flyball_yaml::{Node, Reader, Value};

use super::read::list;
use super::{Config, parse};

const WEBHOOK_KEYS: [&str; 6] = ["kind", "url", "secret", "timeout", "events", "allow_link_local"];
const ALERTMANAGER_KEYS: [&str; 7] =
    ["kind", "url", "token", "resend_every", "timeout", "external_url", "allow_link_local"];

/// An entry of `backends`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Backend {
    Webhook(Webhook),
    Alertmanager(Alertmanager),
}

/// A backend of kind `webhook`.
#[derive(Clone, PartialEq)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
    pub(crate) events: Option<Vec<EventKind>>,
    pub(crate) timeout: Duration,
    pub(crate) allow_link_local: bool,
}

impl fmt::Debug for Webhook {
    /// Without the secret, and without the URL, into which many services put a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("events", &self.events).finish_non_exhaustive()
    }
}

/// A backend of kind `alertmanager`.
#[derive(Clone, PartialEq)]
pub(crate) struct Alertmanager {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    pub(crate) resend_every: Duration,
    pub(crate) timeout: Duration,
    /// `None`: this machine's name and the port of `http.listen`.
    pub(crate) external_url: Option<String>,
    pub(crate) allow_link_local: bool,
}

impl fmt::Debug for Alertmanager {
    /// Without the token, and without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alertmanager").field("resend_every", &self.resend_every).finish_non_exhaustive()
    }
}

pub(super) fn read(reader: &mut Reader, node: &Node, config: &mut Config) {
    if matches!(node.value, Value::Null) {
        return;
    }
    // A name that stands twice is told by the reader.
    for (name, node) in reader.entries(node, "backends") {
        if name.as_str().is_empty() {
            reader.error(node, "a backend has a name, which rules call it by");
        }
        if let Some(backend) = read_backend(reader, node, &format!("backends.{}", name.as_str())) {
            config.backends.insert(name.as_str().to_owned(), backend);
        }
    }
}

fn read_backend(reader: &mut Reader, node: &Node, what: &str) -> Option<Backend> {
    // The keys of one kind are not those of another; without a kind it is read as a webhook, and told that it needs one.
    let Some(kind) = node.get("kind") else { return read_webhook(reader, node, what).map(Backend::Webhook) };
    match reader.text(kind, "'kind'")?.as_str() {
        "webhook" => read_webhook(reader, node, what).map(Backend::Webhook),
        "alertmanager" => read_alertmanager(reader, node, what).map(Backend::Alertmanager),
        word => {
            let message = match word {
                "kubernetes" => format!("{what} is of kind 'kubernetes', which is not there yet in this version"),
                _ => format!("{what} is of kind '{word}', and no backend is"),
            };
            reader.error_with_hint(kind, message, "write webhook or alertmanager");
            None
        }
    }
}

fn read_webhook(reader: &mut Reader, node: &Node, what: &str) -> Option<Webhook> {
    let fields = reader.section(node, what, &WEBHOOK_KEYS)?;
    reader.require(fields, "kind");
    let url = reader.parse_required(fields, "url", parse::url);
    let secret = reader.parse(fields, "secret", parse::text);
    let timeout = reader.parse(fields, "timeout", parse::positive_duration);
    let events = list(reader, fields, "events").map(|nodes| {
        reader.parse_nodes(nodes, "events", |word| {
            EventKind::from_word(word)
                .ok_or_else(|| format!("'{word}' is not one of {}", EventKind::ALL.map(EventKind::as_str).join(", ")))
        })
    });
    let mut allow_link_local = false;
    reader.set(fields, "allow_link_local", &mut allow_link_local, parse::truth);
    let timeout = timeout.unwrap_or(flyball_backend_webhook::TIMEOUT_DEFAULT);
    Some(Webhook { url: url?, secret, events, timeout, allow_link_local })
}

fn read_alertmanager(reader: &mut Reader, node: &Node, what: &str) -> Option<Alertmanager> {
    let fields = reader.section(node, what, &ALERTMANAGER_KEYS)?;
    let url = reader.parse_required(fields, "url", parse::url);
    let token = reader.parse(fields, "token", parse::text);
    let resend_every = reader.parse(fields, "resend_every", parse::positive_duration);
    let timeout = reader.parse(fields, "timeout", parse::positive_duration);
    let external_url = reader.parse(fields, "external_url", parse::url);
    let mut allow_link_local = false;
    reader.set(fields, "allow_link_local", &mut allow_link_local, parse::truth);
    Some(Alertmanager {
        url: url?,
        token,
        resend_every: resend_every.unwrap_or(RESEND_EVERY_DEFAULT),
        timeout: timeout.unwrap_or(flyball_backend_alertmanager::TIMEOUT_DEFAULT),
        external_url,
        allow_link_local,
    })
}
