//! The web page, and the description of the API.

use axum::http::header;
use axum::response::{Html, IntoResponse};

/// One page without a build step: it asks the same API that everybody else asks.
pub(crate) const PAGE: &str = include_str!("page.html");

const OPENAPI: &str = include_str!("openapi.json");

pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
