//! `/ping` and `/health`: that there is something here, and what it can be taken for.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde_json::json;

use super::answer::{VERSION, signed};

/// `/ping`, also as HEAD; `verbose=true` wants the version as JSON.
pub(super) async fn ping(uri: Uri) -> Response {
    let verbose = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .any(|(key, value)| key == "verbose" && !matches!(&*value, "" | "0" | "false"));
    signed(if verbose {
        Json(json!({"version": VERSION})).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}

/// `/health`. The words are InfluxDB's, since clients compare them; `flyball`'s own are at `/healthz`.
pub(super) async fn health() -> Response {
    let health = json!({
        "name": "influxdb",
        "message": "ready for queries and writes",
        "status": "pass",
        "checks": [],
        "version": VERSION,
    });
    signed(Json(health).into_response())
}
