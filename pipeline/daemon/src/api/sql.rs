//! `POST /api/v1/sql`.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_rules::query::output;
use serde::Deserialize;

use super::Shared;
use super::error::{ApiError, in_words};

/// `{"sql": "...", "format": "json"}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    sql: String,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Csv,
    Arrow,
}

pub(crate) async fn run(
    State(shared): State<Shared>,
    request: Result<Json<Request>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = request.map_err(|rejection| {
        ApiError::bad_request(in_words(&rejection.body_text()))
            .hint(r#"send {"sql": "SELECT …", "format": "json"} as application/json; formats: json, csv, arrow"#)
    })?;
    let result = shared.query(&request.sql).await?;
    Ok(match request.format {
        Format::Json => ([(header::CONTENT_TYPE, "application/json")], output::json_text(&result)).into_response(),
        Format::Csv => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], output::csv(&result)).into_response(),
        Format::Arrow => {
            let stream = output::arrow_ipc(&result).map_err(|error| {
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "output_failed", error.to_string())
            })?;
            ([(header::CONTENT_TYPE, "application/vnd.apache.arrow.stream")], stream).into_response()
        }
    })
}
