//! Violations and remediations as JSON.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use flyball_rules::query::{QueryResult, output};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::error::ApiError;

/// Rows of a page unless asked otherwise, and at most.
const PAGE_ROWS: usize = 100;
const PAGE_ROWS_MAX: usize = 1_000;

/// `?limit=100&offset=0`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

pub(crate) async fn violations(
    State(shared): State<Shared>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    table(&shared, "violations", "active_at", &page?.0).await
}

pub(crate) async fn remediations(
    State(shared): State<Shared>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    table(&shared, "remediations", "proposed_at", &page?.0).await
}

/// A page of a table as objects, newest first.
async fn table(shared: &Shared, name: &str, newest_by: &str, page: &Page) -> Result<Json<Value>, ApiError> {
    let (limit, offset) = (page.limit.unwrap_or(PAGE_ROWS).min(PAGE_ROWS_MAX), page.offset);
    if limit == 0 {
        return Err(ApiError::bad_request("limit is 0").hint(format!("write a number from 1 to {PAGE_ROWS_MAX}")));
    }
    let sql = format!("SELECT * FROM flyball.{name} ORDER BY {newest_by} DESC, id LIMIT {limit} OFFSET {offset}");
    let result = shared.query(&sql).await?;
    let rows: Vec<_> = objects(&result).collect();
    let next = (rows.len() == limit).then_some(offset + limit);
    Ok(Json(json!({name: rows, "limit": limit, "offset": offset, "next_offset": next})))
}

/// Columns of these tables that are JSON in a text.
const JSON_COLUMNS: [&str; 2] = ["changes", "samples"];

/// The rows as objects, with what is JSON in SQL's texts as such.
pub(super) fn objects(result: &QueryResult) -> impl Iterator<Item = Value> {
    output::objects(result).map(|mut row| {
        for column in JSON_COLUMNS {
            if let Some(cell) = row.get_mut(column)
                && let Some(parsed) = cell.as_str().and_then(|text| serde_json::from_str(text).ok())
            {
                *cell = parsed;
            }
        }
        row
    })
}
