//! One attempt to deliver a body, and what came of it.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use super::{Book, Kind};
use crate::Http;

/// How long an answer may take until the sender gives the connection up.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a sender learns from an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is taken, all of it.
    Acked,
    /// Not now.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Whether the answer says when to try again.
        hint: bool,
        /// What it says.
        text: String,
    },
    /// The connection was refused: nothing was sent.
    Unreachable,
    /// The connection died before the answer.
    Unknown,
    /// An answer that a sound body must not get.
    Fault(String),
}

/// A sender's connection.
#[derive(Debug, Clone)]
pub struct Courier {
    client: reqwest::Client,
    url: String,
    kind: Kind,
}

impl Courier {
    /// A connection of its own to a server.
    pub fn new(http: &Http, kind: Kind) -> Self {
        // A second install is refused, and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).pool_max_idle_per_host(1).build();
        let client = client.expect("a client without options that can fail");
        Self { client, url: format!("{}{}", http.base(), kind.path()), kind }
    }

    /// Sends a body once.
    pub async fn deliver(&self, body: Vec<u8>) -> Outcome {
        let mut request = self.client.post(&self.url).body(body);
        for (name, value) in self.kind.headers() {
            request = request.header(*name, *value);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Outcome::Unreachable,
            Err(_) => return Outcome::Unknown,
        };
        let status = answer.status().as_u16();
        let hint = answer.headers().contains_key("retry-after");
        match (status, answer.bytes().await) {
            (200..300, Ok(body)) => match rejected(self.kind, &body) {
                None => Outcome::Acked,
                Some(rejected) => Outcome::Fault(rejected),
            },
            (200..300, Err(_)) => Outcome::Unknown,
            // All that both protocols let a sender repeat; a plain 500 is for remote write only.
            (429 | 502..=504, body) => {
                Outcome::Refused { status, hint, text: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned() }
            }
            (_, body) => Outcome::Fault(format!("{status}: {}", String::from_utf8_lossy(&body.unwrap_or_default()))),
        }
    }

    /// Sends a body once and writes it down.
    pub(super) async fn attempt(&self, body: Vec<u8>, request: u64, life: u32, book: &std::sync::Mutex<Book>) -> bool {
        let outcome = self.deliver(body).await;
        book.lock().expect("nobody panics with it").note(request, &outcome, life);
        outcome == Outcome::Acked
    }
}

/// What an answer of success says of points that were not taken, in OTLP.
fn rejected(kind: Kind, body: &[u8]) -> Option<String> {
    let (rejected, message) = match kind {
        Kind::RemoteWrite => return None,
        Kind::Gauges | Kind::Deltas => match ExportMetricsServiceResponse::decode(body) {
            Ok(answer) => answer.partial_success.map(|part| (part.rejected_data_points, part.error_message))?,
            Err(error) => return Some(error.to_string()),
        },
        Kind::Logs => match ExportLogsServiceResponse::decode(body) {
            Ok(answer) => answer.partial_success.map(|part| (part.rejected_log_records, part.error_message))?,
            Err(error) => return Some(error.to_string()),
        },
    };
    // Nothing rejected is a warning at most.
    (rejected > 0).then(|| format!("{rejected} rejected: {message}"))
}
