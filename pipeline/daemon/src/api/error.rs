//! The one shape of errors: `{"error":{"code","message","hint"}}`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flyball_rules::query::QueryError;
use serde_json::json;

/// When to ask again what could not be answered now: a query's turn comes, or the disk takes what waits, within a second or two.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("1");

/// An answer that says what is wrong.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: String::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// The status and the message, for shapes of other systems.
    pub(crate) fn into_parts(self) -> (StatusCode, String) {
        (self.status, self.message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message, "hint": self.hint}});
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECS);
        }
        response
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(in_words(&rejection.body_text())).hint("GET /openapi.json lists the parameters of every path")
    }
}

/// What the framework says, without its own part in it.
pub(crate) fn in_words(text: &str) -> String {
    let heads = [
        ("Failed to deserialize the JSON body into the target type: ", "the body: "),
        ("Failed to parse the request body as JSON: ", "the body is not JSON: "),
        ("Failed to deserialize query string: ", "the query of the URL: "),
    ];
    heads
        .into_iter()
        .find_map(|(head, ours)| Some(format!("{ours}{}", text.strip_prefix(head)?)))
        .unwrap_or_else(|| text.to_owned())
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let (status, code) = match &error {
            QueryError::RowLimit { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "row_limit"),
            QueryError::TimeLimit { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "time_limit"),
            QueryError::MemoryLimit { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "memory_limit"),
            _ if error.is_client_fault() => (StatusCode::BAD_REQUEST, "bad_query"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "query_failed"),
        };
        let hint = match &error {
            QueryError::RowLimit { .. } => "add LIMIT, a narrower WHERE, or aggregate",
            QueryError::TimeLimit { .. } => "ask for less time or fewer series",
            QueryError::MemoryLimit { .. } => "group by less, or ask for less time",
            QueryError::Syntax { .. } => "docs/sql.md has examples",
            QueryError::UnknownTable { .. } => "SHOW TABLES lists what there is",
            QueryError::UnknownColumn { .. } => "DESCRIBE the table lists its columns",
            _ => "docs/sql.md lists tables and functions",
        };
        Self::new(status, code, error.to_string()).hint(hint)
    }
}
