//! Bad input: each gets the protocol's own answer, the good points of the same request are kept, and the ledger has a
//! line with the reason.

mod grpc;
mod otlp_http;
mod remote_write;

use flyball_tests::Flyball;
use serde_json::{Value, json};

/// Small limits, so that small requests are over them.
fn limits() -> Value {
    json!({
        "receivers": {"otlp": {"max_body": "64KiB"}},
        "limits": {"labels": 8, "label_bytes": 64, "series": 50},
    })
}

fn start() -> Flyball {
    Flyball::start(limits())
}

/// The ledger's lines: `(outcome, reason, points)`, over all sources.
#[track_caller]
fn check_ledger(flyball: &Flyball, lines: &[(&str, &str, u64)]) {
    let rows = flyball.sql(
        "SELECT outcome, reason, CAST(sum(points) AS BIGINT) AS points FROM flyball.ledger GROUP BY outcome, reason ORDER BY outcome DESC, reason",
    );
    let lines: Vec<_> =
        lines.iter().map(|(outcome, reason, points)| vec![json!(outcome), json!(reason), json!(points)]).collect();
    assert_eq!(rows.rows, lines);
}

/// What a good point of the table looks like afterwards: it must be there, once.
#[track_caller]
fn check_good_point(flyball: &Flyball) {
    assert_eq!(flyball.sql("SELECT value FROM good").rows, [[json!(1.0)]]);
}
