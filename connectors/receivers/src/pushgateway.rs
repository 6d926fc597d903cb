//! Prometheus text pushed as to a Pushgateway: `POST` or `PUT /metrics/job/{job}[/{label}/{value}]…`, as Scaphandre's push exporter
//! and COMPSs do it.
//!
//! | outcome | status | body |
//! |---|---|---|
//! | all stored | 202 | none |
//! | some samples refused | 400 | counts and reasons; the other samples are stored |
//! | malformed body or path | 400 | what is wrong, with line and column |
//! | too large | 413 | what is wrong |
//! | another content type or encoding | 415 | what is taken here |
//! | not now | 503 and `Retry-After` | why |
//!
//! 202 and not 200: clients of before Pushgateway 0.10 know only 202, and those after it take both. As there, labels of the
//! path override those of the body. Other than there nothing is held and repeated: samples get the time of their push, and `POST`
//! and `PUT` do the same.
//!
//! Source: the Pushgateway's README.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flyball_model::intake::{Context, Encoding, Format};
use flyball_model::ledger::Signal;
use flyball_model::name::label_name;
use flyball_model::relabel::Relabel;
use flyball_model::{Clock, Intake, Receipt, Refusal};
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use crate::desk::Desk;
use crate::error::RequestError;
use crate::headers::{MediaType, content_coding, quoted};
use crate::refused;

/// Labels in a path.
const PATH_LABELS_MAX: usize = 64;

/// What marks a value that is written in base64, for what a path can't hold.
const BASE64: &str = "@base64";

/// Base64 as the Pushgateway takes it: for URLs, padded or not. A lone `=` is the empty text.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The paths of a Pushgateway. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("pushgateway", intake, clock));
    let push = async move |request: Request| push(&desk, request).await;
    let push = post(push.clone()).put(push).fallback(only_pushes);
    // One route for each word that may stand before the job.
    Router::new().route("/metrics/job/{*rest}", push.clone()).route("/metrics/job@base64/{*rest}", push)
}

async fn push(desk: &Desk, request: Request) -> Response {
    let rules = match grouping(request.uri().path()) {
        Ok(rules) => rules,
        Err(problem) => {
            let error = RequestError::Parameter(problem);
            desk.refuse_http(request, Signal::Metrics, &error).await;
            return wire(Err(error.into()));
        }
    };
    let context = Context { honor_labels: true, relabel: rules, ..Context::default() };
    let format = format(request.headers());
    let outcome = desk.receive_http_with(format, Some(Arc::new(context)), request, encoding).await;
    wire(outcome)
}

async fn only_pushes() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST, PUT")], "this path takes metrics by POST or PUT\n").into_response()
}

/// The labels of a path, as rules that set them.
fn grouping(path: &str) -> Result<Vec<Relabel>, String> {
    let path = path.strip_prefix("/metrics/").unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    if !parts.len().is_multiple_of(2) {
        return Err(format!("the path names a label without its value after '{}'", parts.last().unwrap_or(&"")));
    }
    if parts.len() / 2 > PATH_LABELS_MAX {
        return Err(format!("the path has more than {PATH_LABELS_MAX} labels"));
    }
    let mut rules = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (place, pair) in parts.chunks_exact(2).enumerate() {
        let (name, encoded) = match pair[0].strip_suffix(BASE64) {
            Some(name) => (name, true),
            None => (pair[0], false),
        };
        let (name, value) = (decode(name)?, decode(pair[1])?);
        let value = if encoded { from_base64(&value)? } else { value };
        if place == 0 && value.is_empty() {
            return Err("the job's name is empty; write /metrics/job/NAME".to_owned());
        }
        if name.is_empty() || name.starts_with("__") {
            return Err(format!("'{name}' can't be a label of a path"));
        }
        let name = label_name(&name).into_owned();
        if names.contains(&name) {
            return Err(format!("the path names the label '{name}' twice"));
        }
        rules.push(Relabel::set(&name, &value).map_err(|error| error.to_string())?);
        names.push(name);
    }
    Ok(rules)
}

/// A part of a path without its percent signs.
fn decode(part: &str) -> Result<String, String> {
    let wrong = || format!("'{part}' in the path is not UTF-8 in percent encoding");
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn from_base64(value: &str) -> Result<String, String> {
    let wrong = |problem: String| format!("'{value}' in the path is not base64 for URLs: {problem}");
    let bytes = ENGINE.decode(value.trim_end_matches('=')).map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))
}

fn format(headers: &HeaderMap) -> Format {
    match MediaType::of(headers) {
        Some(media) if media.is("application/openmetrics-text") => Format::OpenMetrics,
        _ => Format::PrometheusText,
    }
}

/// Checks the headers. Curl says `application/x-www-form-urlencoded` of everything, so only what is surely something else is refused.
fn encoding(headers: &HeaderMap) -> Result<Encoding, RequestError> {
    if MediaType::of(headers).is_some_and(|media| media.is("application/vnd.google.protobuf")) {
        let expected = "text/plain; version=0.0.4 (in client_golang: `Format(expfmt.NewFormat(expfmt.TypeTextPlain))`)";
        return Err(RequestError::ContentType { found: quoted(headers, CONTENT_TYPE), expected });
    }
    match content_coding(headers) {
        Ok(None) => Ok(Encoding::Identity),
        Ok(Some(coding)) if coding.eq_ignore_ascii_case("gzip") => Ok(Encoding::Gzip),
        Ok(Some(coding)) if coding.eq_ignore_ascii_case("snappy") => Ok(Encoding::Snappy),
        _ => Err(RequestError::ContentEncoding {
            found: quoted(headers, CONTENT_ENCODING),
            expected: "gzip, snappy or none",
        }),
    }
}

fn wire(outcome: Result<Receipt, Refusal>) -> Response {
    match outcome {
        Ok(receipt) if receipt.rejected() == 0 => StatusCode::ACCEPTED.into_response(),
        Ok(receipt) => (StatusCode::BAD_REQUEST, format!("{}\n", receipt.message())).into_response(),
        Err(refusal) => refused::text(&refusal),
    }
}

#[cfg(test)]
mod tests;
