//! Receivers: whatever brings telemetry in.
//!
//! A receiver speaks one wire protocol and nothing else. It hands each body over as it came, as a
//! [`flyball_model::Submission`], and turns the one outcome type (a receipt or a refusal) into its own wire answer; the
//! folder of each protocol has that table in `answer.rs`. Nothing here decodes, decompresses or stores.
//!
//! | module | does |
//! |---|---|
//! | [`otlp_grpc`] | OTLP over gRPC: owns its listener, its connections and their drain |
//! | [`otlp_http`] | OTLP over HTTP: a router for `/v1/metrics`, `/v1/logs`, `/v1/traces` |
//! | [`remote_write`] | Prometheus remote write 1.0 and 2.0: a router for `/api/v1/write` |
//! | [`influx`] | Influx line protocol as InfluxDB 1.x, 2.x and 3 take it: a router for `/write`, `/api/v2/write`, `/api/v3/write_lp` |
//! | [`scaphandre`] | Scaphandre's JSON reports: a router for `/api/v1/import/scaphandre` |
//! | [`scrape`] | asks configured and discovered targets for their metrics, as Prometheus does |
//! | [`pushgateway`] | Prometheus text pushed as to a Pushgateway: a router for `/metrics/job/…` |
//! | [`host`] | this machine's own metrics, sent the same way as everybody else's |
//! | [`net`] | connections: their bound, TLS, and the end of those that only cost |
//! | [`gate`] | who may come in, and how each protocol says no |
//! | `desk` | what all of them do with a request: read it within bounds, count it, hand it over |
//! | `body` | bodies into memory, bounded by size, sum and time |
//! | `refused` | a refusal over HTTP: status and `Retry-After` |
//! | `otlp` | answers that both OTLP transports share |

pub mod gate;
pub mod host;
pub mod influx;
pub mod net;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod pushgateway;
pub mod remote_write;
pub mod scaphandre;
pub mod scrape;

mod body;
mod desk;
mod error;
mod headers;
mod otlp;
mod pace;
mod peer;
mod refused;
mod rpc_status;
#[cfg(test)]
mod testing;
