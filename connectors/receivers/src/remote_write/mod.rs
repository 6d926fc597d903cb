//! Prometheus remote write: `POST /api/v1/write` with a snappy-compressed `prometheus.WriteRequest` (1.0) or
//! `io.prometheus.write.v2.Request` (2.0).
//!
//! Source: Prometheus Remote-Write 1.0 and 2.0 (rc.4) specifications; where old senders leave headers out, what Prometheus itself takes.
//!
//! | file | holds |
//! |---|---|
//! | `answer` | the table of outcomes and wire answers |
//! | `negotiation` | which message the headers announce |

mod answer;
mod negotiation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use flyball_model::{Clock, Intake};

use crate::desk::{Desk, only_post};

/// The path of remote write. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("remote_write", intake, clock));
    let write = post(async move |request: Request| {
        let format = negotiation::format(request.headers());
        answer::wire(format, desk.receive_http(format, request, negotiation::encoding).await)
    });
    Router::new().route("/api/v1/write", write.fallback(only_post))
}
