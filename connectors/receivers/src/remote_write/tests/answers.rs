//! How outcomes are answered.

use std::time::Duration;

use flyball_model::intake::RefusalKind::{self, Malformed, Throttled, TooLarge, Unavailable, Unsupported};
use flyball_model::intake::{Rejection, Written};
use flyball_model::ledger::Reason;

use super::*;

fn receipt(rejections: &[(Reason, u64)], warnings: &[(Reason, u64)]) -> Result<Receipt, Refusal> {
    let lines = |lines: &[(Reason, u64)]| {
        let line = |&(reason, points)| Rejection { reason, points, detail: "why".to_owned() };
        lines.iter().map(line).collect()
    };
    let written = Written { samples: 5, histograms: 2, exemplars: 1 };
    let (rejections, warnings) = (lines(rejections), lines(warnings));
    Ok(Receipt { stored: 7, written, rejections, warnings, ..Receipt::default() })
}

fn refused(kind: RefusalKind) -> Result<Receipt, Refusal> {
    let retry_after = kind.is_retryable().then_some(Duration::from_millis(1500));
    Err(Refusal { kind, message: "the reason".to_owned(), retry_after })
}

#[tokio::test]
async fn every_outcome_has_its_status_text_and_counts() {
    const SOME: &str = "2 points: too_old: why; 1 point: series_cap: why";
    const COUNTS: [&str; 3] = ["5", "2", "1"];
    const NOTHING: [&str; 3] = ["0", "0", "0"];
    const MISSING: [&str; 3] = ["", "", ""];
    let some = || receipt(&[(Reason::TooOld, 2), (Reason::SeriesCap, 1)], &[]);
    let lossy = || receipt(&[], &[(Reason::BadExemplar, 1)]);
    let rounded = || receipt(&[], &[(Reason::Rounded, 1), (Reason::Late, 1)]);
    let table = [
        ("1.0 Retries & Backoff: 2xx when the write is successful", PROTOBUF, receipt(&[], &[]), 204, "", MISSING),
        ("1.0 Labels: 400 for any invalid sample, with a message", PROTOBUF, some(), 400, SOME, MISSING),
        ("1.0 knows no exemplars: their loss is no failure", PROTOBUF, lossy(), 204, "", MISSING),
        ("1.0 Retries & Backoff: 4xx when it can't succeed", PROTOBUF, refused(Malformed), 400, "the reason", MISSING),
        ("1.0 Retries & Backoff: 5xx to be retried", PROTOBUF, refused(Unavailable), 503, "the reason", MISSING),
        ("1.0 Retries & Backoff: 429 may be dropped", PROTOBUF, refused(Throttled), 503, "the reason", MISSING),
        ("2.0 Response: 204 and no body", VERSION_2, receipt(&[], &[]), 204, "", COUNTS),
        ("2.0 Response: written is written, whatever is remarked", VERSION_2, rounded(), 204, "", COUNTS),
        ("2.0 Partial Write, Invalid Samples: 400 and the counts", VERSION_2, some(), 400, SOME, COUNTS),
        (
            "2.0 Response: not 2xx if exemplars were not written",
            VERSION_2,
            lossy(),
            400,
            "1 point: bad_exemplar: why",
            COUNTS,
        ),
        ("2.0 Required Written Headers: also on failure", VERSION_2, refused(Malformed), 400, "the reason", NOTHING),
        ("2.0 Required Written Headers: also on failure", VERSION_2, refused(TooLarge), 413, "the reason", NOTHING),
        ("2.0 Retries & Backoff: 5xx is always retried", VERSION_2, refused(Unavailable), 503, "the reason", NOTHING),
        ("2.0 Retries & Backoff: 429 may be dropped", VERSION_2, refused(Throttled), 503, "the reason", NOTHING),
        ("2.0 Required Written Headers: once negotiated", VERSION_2, refused(Unsupported), 415, "the reason", MISSING),
    ];
    for (rule, version, outcome, status, text, counts) in table {
        let again = if status == 503 { "2" } else { "" };
        let answer = answer_to(outcome, &[version, SNAPPY]).await;
        assert_eq!((answer.status, answer.text().trim_end()), (status, text), "{rule}");
        assert_eq!(written(&answer), counts, "{rule}");
        assert_eq!(answer.header("retry-after"), again, "2.0 Retries & Backoff: Retry-After; {rule}");
        let spoken = answer.header("x-prometheus-remote-write-version");
        assert_eq!(spoken, "2.0.0", "1.0 Backward and forward compatibility: the highest version; {rule}");
    }
}
