//! Receivers: OTLP over gRPC and HTTP, Prometheus remote write, this host.
//!
//! A receiver speaks one wire protocol and nothing else. It hands each body over as it came, as a
//! [`flyball_model::Submission`], and turns the one outcome type (a receipt or a refusal) into its own wire answer; the
//! folder of each protocol has that table in `answer.rs`. Nothing here decodes, decompresses or stores.
//!
//! | module | does |
//! |---|---|
//! | [`otlp_grpc`] | OTLP over gRPC: owns its listener, its connections and their drain |
//! | [`otlp_http`] | OTLP over HTTP: a router for `/v1/metrics`, `/v1/logs`, `/v1/traces` |
//! | [`remote_write`] | Prometheus remote write 1.0: a router for `/api/v1/write` |
//! | [`host`] | this machine's own metrics, sent the same way as everybody else's |
//! | `desk` | what all of them do with a request: read it within bounds, count it, hand it over |
//! | `body` | bodies into memory, bounded by size, sum and time |
//! | `otlp` | answers that both OTLP transports share |

pub mod host;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod remote_write;

mod body;
mod desk;
mod error;
mod headers;
mod otlp;
mod peer;
mod rpc_status;
#[cfg(test)]
mod testing;
