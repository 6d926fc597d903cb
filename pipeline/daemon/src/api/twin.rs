//! `GET /api/v1/twin` and `/api/v1/twin/{kind}/{id}`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use flyball_twin::EntityKind;
use serde::Deserialize;
use serde_json::Value;

use super::Shared;
use super::error::ApiError;

/// `?format=native` and `?at=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    format: Option<String>,
    at: Option<String>,
}

impl Parameters {
    fn check(&self) -> Result<(), ApiError> {
        let missing = |what: &str| {
            Err(ApiError::new(
                StatusCode::NOT_IMPLEMENTED,
                "not_implemented",
                format!("{what} is not there yet in this version"),
            ))
        };
        match self.format.as_deref() {
            None | Some("native") => {}
            Some(format @ ("decice" | "icos")) => return missing(&format!("the shape '{format}'")),
            Some(format) => {
                return Err(ApiError::bad_request(format!("'{format}' is not a shape of the twin")).hint("native"));
            }
        }
        if self.at.is_some() { missing("reading the twin's past") } else { Ok(()) }
    }
}

pub(crate) async fn document(
    State(shared): State<Shared>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    parameters?.check()?;
    Ok(Json(shared.runtime.tables.twin.document(shared.clock.now())))
}

pub(crate) async fn entity(
    State(shared): State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    parameters?.check()?;
    let kinds = || EntityKind::ALL.map(EntityKind::as_str).join(", ");
    let kind = EntityKind::parse(&kind)
        .ok_or_else(|| ApiError::not_found(format!("'{kind}' is not a kind of entity")).hint(kinds()))?;
    shared.runtime.tables.twin.entity(kind, &id).map(Json).ok_or_else(|| {
        ApiError::not_found(format!("the twin has no {} '{id}'", kind.as_str()))
            .hint(format!("SELECT id FROM twin.{} lists them", kind.as_str()))
    })
}
