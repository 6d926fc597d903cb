//! The table of outcomes and wire answers of remote write.
//!
//! | outcome | status | body |
//! |---|---|---|
//! | all stored | 204 | none |
//! | some or all refused | 400 | counts and reasons; the rest is stored |
//! | malformed | 400 | what is wrong |
//! | too large | 413 | what is wrong |
//! | another message or encoding | 415 | what is spoken here |
//! | not now, or over the sender's own limit | 503 and `Retry-After` | why |
//!
//! Neither version has a partial success: 400 says that what could be taken was. A sender must not send again after 4xx, and does so
//! after 5xx; "not now" is never 429, after which a sender may drop the body instead.
//!
//! Once the message is known to be version 2.0, every answer tells how many samples, histograms and exemplars were written. An
//! exemplar that was not kept makes it a 400 there ("any of the pieces of sent data"); version 1.0 knows only samples.

use axum::response::{IntoResponse, Response};
use flyball_model::intake::{Format, RefusalKind, Written};
use flyball_model::ledger::Reason;
use flyball_model::{Receipt, Refusal};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::refused;

/// The highest version that is spoken; a sender of 1.x may ask for it with an empty request.
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-prometheus-remote-write-version"), HeaderValue::from_static("2.0.0"));

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// An outcome in remote write's words.
pub(super) fn wire(format: Format, outcome: Result<Receipt, Refusal>) -> Response {
    let written = match &outcome {
        Ok(receipt) => Some(receipt.written),
        // Then there was no successful negotiation, and the version is not known to both.
        Err(refusal) if refusal.kind == RefusalKind::Unsupported => None,
        Err(_) => Some(Written::default()),
    };
    let mut response = match outcome {
        Ok(receipt) if is_whole(format, &receipt) => StatusCode::NO_CONTENT.into_response(),
        Ok(receipt) => (StatusCode::BAD_REQUEST, format!("{}\n", receipt.message())).into_response(),
        Err(refusal) => refused::text(&Refusal { kind: kind(refusal.kind), ..refusal }),
    };
    let headers = response.headers_mut();
    headers.insert(VERSION.0, VERSION.1);
    if let Some(written) = written.filter(|_| format == Format::RemoteWrite2) {
        tell(headers, written);
    }
    response
}

/// "Too much of yours" is 503 here like "not now": Prometheus drops what is answered 429 unless `retry_on_http_429` is set.
fn kind(kind: RefusalKind) -> RefusalKind {
    if kind == RefusalKind::Throttled { RefusalKind::Unavailable } else { kind }
}

fn is_whole(format: Format, receipt: &Receipt) -> bool {
    let lost = || receipt.warnings.iter().any(|warning| warning.reason == Reason::BadExemplar);
    receipt.rejected() == 0 && !(format == Format::RemoteWrite2 && lost())
}

fn tell(headers: &mut HeaderMap, written: Written) {
    let Written { samples, histograms, exemplars } = written;
    for (name, count) in [(SAMPLES_WRITTEN, samples), (HISTOGRAMS_WRITTEN, histograms), (EXEMPLARS_WRITTEN, exemplars)]
    {
        headers.insert(name, HeaderValue::from(count));
    }
}
