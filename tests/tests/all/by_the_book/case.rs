//! A row of the table: a rule, a request, and what must become of it.

use std::time::Duration;

use flyball_tests::http::Answer;

use super::account::Tally;
use super::server::{Server, TENANT};
use super::{otlp_grpc, otlp_http, remote_write};

/// What telemetry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Metrics,
    Logs,
    Traces,
}

impl Signal {
    pub(super) const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Traces];

    /// Its word in the ledger and in paths.
    pub(super) fn word(self) -> &'static str {
        match self {
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
            Signal::Traces => "traces",
        }
    }

    /// Its table.
    pub(super) fn table(self) -> &'static str {
        if self == Signal::Traces { "spans" } else { self.word() }
    }
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    OtlpHttp { signal: Signal, json: bool },
    OtlpGrpc { signal: Signal },
    RemoteWrite1,
    RemoteWrite2,
}

impl Protocol {
    pub(super) fn signal(self) -> Signal {
        match self {
            Protocol::OtlpHttp { signal, .. } | Protocol::OtlpGrpc { signal } => signal,
            Protocol::RemoteWrite1 | Protocol::RemoteWrite2 => Signal::Metrics,
        }
    }

    /// Under which receiver and signal the ledger has it.
    pub(super) fn account(self) -> (&'static str, &'static str) {
        let receiver = match self {
            Protocol::OtlpHttp { .. } => "otlp_http",
            Protocol::OtlpGrpc { .. } => "otlp_grpc",
            Protocol::RemoteWrite1 | Protocol::RemoteWrite2 => "remote_write",
        };
        (receiver, self.signal().word())
    }

    /// What stands for "you are over your limit": status or code of gRPC.
    pub(super) fn throttled(self) -> u16 {
        match self {
            Protocol::OtlpHttp { .. } => 429,
            Protocol::OtlpGrpc { .. } => otlp_grpc::RESOURCE_EXHAUSTED,
            // After 429 Prometheus drops what it has.
            Protocol::RemoteWrite1 | Protocol::RemoteWrite2 => 503,
        }
    }

    /// What stands for "not now".
    pub(super) fn unavailable(self) -> u16 {
        if let Protocol::OtlpGrpc { .. } = self { otlp_grpc::UNAVAILABLE } else { 503 }
    }
}

/// What must become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is taken, and there is nothing to say.
    Whole,
    /// It is taken whole, and there is something to say.
    Warned(&'static str),
    /// So many were refused, and why; the rest is taken.
    Partial(u64, &'static str),
    /// It is refused whole, for good: status or code of gRPC.
    Refused(u16),
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was read; so many were refused, and what there is to say.
    Taken { refused: u64, said: String },
    /// Refused for good.
    Refused(u16),
    /// Not now: when to come again.
    NotNow { code: u16, after: Duration },
}

/// A request as it travels.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Vec<u8>,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The chapter, and what it asks.
    pub(super) rule: &'static str,
    pub(super) protocol: Protocol,
    /// The label `service_name` of all that is in it.
    pub(super) id: String,
    pub(super) request: Request,
    pub(super) expected: Expected,
    pub(super) tally: Tally,
    /// Remote write 2.0: samples, histograms and exemplars that are written. `None` where nothing is said of them.
    pub(super) written: Option<[u64; 3]>,
    /// Numbers, records or spans of it in the table of its signal.
    pub(super) rows: u64,
}

impl Case {
    /// Sends it in a sender's name and reads the answer, whose shape must be the protocol's.
    #[track_caller]
    pub(super) fn send(&self, server: &Server, sender: &str) -> Verdict {
        let Request { path, headers, body } = &self.request;
        let headers: Vec<_> = headers.iter().copied().chain([(TENANT, sender)]).collect();
        let what = self.name();
        match self.protocol {
            Protocol::OtlpHttp { signal, json } => {
                otlp_http::read(&what, signal, json, &server.flyball.otlp_http.post(path, &headers, body.clone()))
            }
            Protocol::OtlpGrpc { signal } => {
                otlp_grpc::read(&what, signal, &server.grpc.call(path, &headers, body.clone()))
            }
            Protocol::RemoteWrite1 | Protocol::RemoteWrite2 => {
                let answer: Answer = server.flyball.http.post(path, &headers, body.clone());
                remote_write::read(&what, self.written, &answer)
            }
        }
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!("{:?} {}: {}", self.protocol, self.id, self.rule)
    }

    /// A final answer must be the rule's.
    #[track_caller]
    pub(super) fn check(&self, verdict: &Verdict) {
        let what = self.name();
        match (&self.expected, verdict) {
            (Expected::Whole, Verdict::Taken { refused: 0, said }) => assert_eq!(said, "", "{what}"),
            (Expected::Warned(words), Verdict::Taken { refused: 0, said }) => {
                assert!(said.contains(words), "{what}: {said}");
            }
            (Expected::Partial(points, words), Verdict::Taken { refused, said }) => {
                assert!(refused == points && said.contains(words), "{what}: {refused}: {said}");
            }
            (Expected::Refused(code), Verdict::Refused(found)) => assert_eq!(found, code, "{what}"),
            (expected, verdict) => panic!("{what}: {verdict:?} instead of {expected:?}"),
        }
    }
}
