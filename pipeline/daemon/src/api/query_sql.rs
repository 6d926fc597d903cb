//! `/api/v3/query_sql`: SQL as clients of InfluxDB 3 ask it. Rows are objects, and errors are `{"error"}`.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_rules::QueryResult;
use flyball_rules::query::output;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::error::{ApiError, in_words};

/// `?db=d&q=SELECT+1&format=json`, or the same as JSON. There is one catalog: the database that was written to is the label `db`.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    q: String,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    params: Map<String, Value>,
}

/// What of InfluxDB's formats there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Jsonl,
    Csv,
    Pretty,
}

/// `GET /api/v3/query_sql`
pub(crate) async fn by_query(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(asked) = asked.map_err(|rejection| Error(StatusCode::BAD_REQUEST, in_words(&rejection.body_text())))?;
    run(&shared, asked).await
}

/// `POST /api/v3/query_sql`
pub(crate) async fn by_body(
    State(shared): State<Shared>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Error> {
    let Json(asked) = asked.map_err(|rejection| Error(StatusCode::BAD_REQUEST, in_words(&rejection.body_text())))?;
    run(&shared, asked).await
}

async fn run(shared: &Shared, Asked { q, format, params }: Asked) -> Result<Response, Error> {
    if !params.is_empty() {
        return Err(Error(
            StatusCode::BAD_REQUEST,
            "'params' are not taken; write the values into the query".to_owned(),
        ));
    }
    let result = shared.query(&q).await?;
    let (kind, text) = match format {
        Format::Json => ("application/json", list(&result)),
        Format::Jsonl => ("application/jsonl", output::objects(&result).map(|row| format!("{row}\n")).collect()),
        Format::Csv => ("text/csv; charset=utf-8", output::csv(&result)),
        Format::Pretty => ("text/plain; charset=utf-8", output::table(&result)),
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// A list of objects, written row by row: a result may have a million.
fn list(result: &QueryResult) -> String {
    let mut text = "[".to_owned();
    for row in output::objects(result) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&row.to_string());
    }
    text.push(']');
    text
}

/// An error as InfluxDB 3 writes it.
#[derive(Debug)]
pub(crate) struct Error(StatusCode, String);

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        let (status, message) = error.into_parts();
        Self(status, message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}
