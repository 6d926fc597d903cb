//! The table of outcomes and wire answers of the import. It is flyball's own, so errors have flyball's shape.
//!
//! | outcome | status | body |
//! |---|---|---|
//! | something stored, or nothing sent | 200 | `{"stored","rejected","reasons":[{"reason","points","detail"}],"faults":[{"report","message"}]}` |
//! | nothing stored and something refused | 400 | the same beside `error` |
//! | malformed | 400 | `error` |
//! | too large | 413 | `error` |
//! | another encoding | 415 | `error` |
//! | not now | 503 and `Retry-After` | `error` |
//!
//! A report that can't be read counts as one; `faults` names the first hundred by their place in the body.

use axum::Json;
use axum::response::{IntoResponse, Response};
use flyball_model::intake::RefusalKind;
use flyball_model::{Receipt, Refusal};
use http::StatusCode;
use serde_json::{Value, json};

use crate::refused;

/// An outcome in flyball's own words.
pub(super) fn wire(outcome: Result<Receipt, Refusal>) -> Response {
    let receipt = match outcome {
        Ok(receipt) => receipt,
        Err(refusal) => return refusal_of(&refusal),
    };
    let mut body = account(&receipt);
    if receipt.stored > 0 || receipt.rejected() == 0 {
        return Json(body).into_response();
    }
    body["error"] = error("nothing_taken", &receipt.message(), "send what `scaphandre json` writes");
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn account(receipt: &Receipt) -> Value {
    let reasons: Vec<_> = receipt
        .rejections
        .iter()
        .map(|rejection| {
            json!({"reason": rejection.reason.as_str(), "points": rejection.points, "detail": rejection.detail})
        })
        .collect();
    let faults: Vec<_> =
        receipt.lines.iter().map(|fault| json!({"report": fault.number, "message": fault.message})).collect();
    json!({"stored": receipt.stored, "rejected": receipt.rejected(), "reasons": reasons, "faults": faults})
}

fn refusal_of(refusal: &Refusal) -> Response {
    let (code, hint) = match refusal.kind {
        RefusalKind::Malformed => ("malformed", ""),
        RefusalKind::TooLarge => ("too_large", "flyball import scaphandre sends pieces"),
        RefusalKind::Unsupported => ("unsupported", ""),
        RefusalKind::Unavailable => ("unavailable", "send it again later"),
        RefusalKind::Throttled => ("throttled", "send it again later, or raise limits.per_source"),
    };
    refused::wire(refusal, Json(json!({"error": error(code, &refusal.message, hint)})))
}

fn error(code: &str, message: &str, hint: &str) -> Value {
    json!({"code": code, "message": message, "hint": hint})
}
