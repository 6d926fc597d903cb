//! The table of outcomes and wire answers of the three APIs.
//!
//! | outcome | 1.x | 2.x | 3 |
//! |---|---|---|---|
//! | all stored, or nothing sent | 204 | 204 | 204 |
//! | some lines bad, the others stored | 400 `partial write: unable to parse '…': … dropped=0` | – | 400 `partial write of line protocol occurred` and the lines |
//! | a line bad and nothing stored | 400 `unable to parse '…': …` | 400 `invalid`, the same text | 400 the same; where partial writes are not accepted `parsing failed for write_lp endpoint` and the first line |
//! | some points refused (too old, a cap) | 400 `partial write: … dropped=N` | 422 `unprocessable entity`, the same text | as bad lines; 422 where the cap on series was reached |
//! | body malformed | 400 | 400 `invalid` | 400 |
//! | body too large | 413 | 413 `request too large` | 413 |
//! | another encoding | 415 | 415 `unsupported media type` | 415 |
//! | not now | 503 and `Retry-After` | the same, `unavailable` | the same |
//!
//! Errors are `{"error"}` in 1.x, with the text in `X-Influxdb-Error` too; `{"code","message"}` in 2.x, with the code in
//! `X-Platform-Error-Code` too; `{"error","data"}` in 3. As in InfluxDB, lines that can't be read are not counted in
//! `dropped`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use flyball_model::intake::{LineFault, Rejection};
use flyball_model::ledger::Reason;
use flyball_model::{Receipt, Refusal};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::refused;

/// The InfluxDB that clients may take this for: the last 1.x, which has `/write`, `/api/v2/write`, `/ping` and `/health`.
pub(super) const VERSION: &str = "1.8.10";

const VERSION_HEADER: HeaderName = HeaderName::from_static("x-influxdb-version");
const BUILD_HEADER: HeaderName = HeaderName::from_static("x-influxdb-build");
const ERROR_HEADER: HeaderName = HeaderName::from_static("x-influxdb-error");
const CODE_HEADER: HeaderName = HeaderName::from_static("x-platform-error-code");

/// Bytes of an error that stand in the header too; clients bound headers.
const HEADER_BYTES_MAX: usize = 1024;

/// Bytes of a line that version 3 repeats.
const ORIGINAL_LINE_BYTES_MAX: usize = 20;

/// Whose API a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// `/write` and `/query`.
    V1,
    /// `/api/v2/write`.
    V2,
    /// `/api/v3/write_lp`.
    V3,
}

/// An outcome in the words of that version. `whole`: one bad line refused the whole body.
pub(super) fn wire(api: Api, whole: bool, outcome: Result<Receipt, Refusal>) -> Response {
    match outcome {
        Ok(receipt) if receipt.rejected() == 0 => signed(StatusCode::NO_CONTENT.into_response()),
        Ok(receipt) if api == Api::V3 => partial_3(whole, &receipt),
        Ok(receipt) => partial(api, &receipt),
        Err(refusal) => refused::wire(&refusal, error(api, refused::status(refusal.kind), &refusal.message)),
    }
}

/// An error as that version writes it.
pub(crate) fn error(api: Api, status: StatusCode, message: &str) -> Response {
    let (body, header) = match api {
        Api::V1 => {
            let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            (json!({"error": message}), (ERROR_HEADER, cut(&line, HEADER_BYTES_MAX).to_owned()))
        }
        Api::V2 => {
            let code = code(status);
            (json!({"code": code, "message": message}), (CODE_HEADER, code.to_owned()))
        }
        Api::V3 => return signed((status, Json(json!({"error": message}))).into_response()),
    };
    let mut response = signed((status, Json(body)).into_response());
    if let Ok(value) = HeaderValue::from_bytes(header.1.as_bytes()) {
        response.headers_mut().insert(header.0, value);
    }
    response
}

/// Adds what every answer of InfluxDB carries.
pub(super) fn signed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    headers.insert(BUILD_HEADER, HeaderValue::from_static("flyball"));
    response
}

/// Versions 1.x and 2.x: something was not taken.
fn partial(api: Api, receipt: &Receipt) -> Response {
    let unread = of(receipt, |reason| reason == Reason::BadLine);
    let dropped = receipt.rejected() - unread;
    let reasons = if dropped == 0 { unparsed(&receipt.lines) } else { receipt_reasons(receipt) };
    let partial = || format!("partial write: {reasons} dropped={dropped}");
    match (api, dropped) {
        (Api::V2, 0) => error(api, StatusCode::BAD_REQUEST, &reasons),
        (Api::V2, _) => {
            let message = format!("failure writing points to database: {}", partial());
            error(api, StatusCode::UNPROCESSABLE_ENTITY, &message)
        }
        (_, 0) if receipt.stored == 0 => error(api, StatusCode::BAD_REQUEST, &reasons),
        _ => error(api, StatusCode::BAD_REQUEST, &partial()),
    }
}

/// Version 3: something was not taken.
fn partial_3(whole: bool, receipt: &Receipt) -> Response {
    let status = match of(receipt, |reason| reason == Reason::SeriesCap) {
        0 => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let parsing_failed = whole && of(receipt, |reason| reason == Reason::BadLine) > 0;
    let body = match receipt.lines.first() {
        Some(first) if parsing_failed => {
            json!({"error": "parsing failed for write_lp endpoint", "data": line_3(first)})
        }
        _ => {
            let lines: Vec<_> = receipt.lines.iter().map(line_3).collect();
            json!({"error": "partial write of line protocol occurred", "data": lines})
        }
    };
    signed((status, Json(body)).into_response())
}

fn line_3(fault: &LineFault) -> Value {
    json!({
        "original_line": cut(&fault.line, ORIGINAL_LINE_BYTES_MAX),
        "line_number": fault.number,
        "error_message": fault.message,
    })
}

/// The codes of version 2.x.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not found",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        StatusCode::UNPROCESSABLE_ENTITY => "unprocessable entity",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "invalid",
    }
}

/// Points refused for such reasons.
fn of(receipt: &Receipt, such: impl Fn(Reason) -> bool) -> u64 {
    receipt.rejections.iter().filter(|rejection| such(rejection.reason)).map(|rejection| rejection.points).sum()
}

/// The lines that can't be read, each as InfluxDB says it.
fn unparsed(lines: &[LineFault]) -> String {
    let texts: Vec<_> =
        lines.iter().map(|fault| format!("unable to parse '{}': {}", fault.line, fault.message)).collect();
    texts.join("\n")
}

/// All reasons, the first example of each.
fn receipt_reasons(receipt: &Receipt) -> String {
    let words = |rejection: &Rejection| match rejection.reason {
        Reason::BadLine => rejection.detail.clone(),
        reason => format!("{}: {}", reason.as_str(), rejection.detail),
    };
    receipt.rejections.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// The first bytes of a text, as many as make whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
