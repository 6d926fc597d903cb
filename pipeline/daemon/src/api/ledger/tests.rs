use flyball_model::ledger::Ledger;
use serde_json::json;

use super::*;

fn post(ledger: &Ledger, peer: &str, signal: Signal, at: i64, lines: &[(Outcome, Reason, u64)], received: u64) {
    let mut entry = Entry::request("otlp_http", peer, signal, 100, UnixNanos(at));
    entry.received = received;
    lines.iter().for_each(|&(outcome, reason, points)| entry.add(outcome, reason, points));
    ledger.post(&entry);
}

/// A ledger with every outcome, and a request without a point.
fn ledger() -> Ledger {
    let ledger = Ledger::default();
    let (stored, rejected, dropped) = (Outcome::Stored, Outcome::Rejected, Outcome::Dropped);
    let lines = [
        (stored, Reason::None, 5),
        (stored, Reason::Late, 2),
        (rejected, Reason::TooOld, 3),
        (dropped, Reason::Duplicate, 4),
    ];
    post(&ledger, "10.0.0.7", Signal::Metrics, 1_000_000_000, &lines, 14);
    post(&ledger, "10.0.0.7", Signal::Metrics, 2_000_000_000, &[(stored, Reason::None, 1)], 1);
    post(&ledger, "10.0.0.7", Signal::Logs, 500_000_000, &[(rejected, Reason::Malformed, 1)], 1);
    post(&ledger, "10.0.0.8", Signal::Traces, 0, &[], 0);
    ledger
}

#[test]
fn the_document_has_every_account_by_outcome_and_reason() {
    let store = SinkStatus {
        received: 10,
        queued: 4,
        delivered: 3,
        rejected: vec![("unparsable".to_owned(), 2)],
        dropped: 1,
        oldest_at: Some(UnixNanos(1_000_000_000)),
        last_error: Some("503: busy".to_owned()),
        ..SinkStatus::default()
    };
    let backend = BackendAccount {
        backend: "ops".to_owned(),
        received: 6,
        queued: 1,
        delivered: 2,
        failed: 2,
        expired: 1,
        suppressed: 9,
        oldest_at: Some(UnixNanos(3_000_000_000)),
        ..BackendAccount::default()
    };
    let document = Document::of(&ledger().entries(), vec![("influx".to_owned(), store)], vec![backend]);
    assert_eq!(
        serde_json::to_value(&document).expect("JSON"),
        json!({
            "balanced": true, "received": 16, "stored": 8, "rejected": 4, "dropped": 4,
            "sources": [
                {"source": "otlp_http/10.0.0.7", "signal": "metrics", "received": 15, "stored": 8, "stored_as": {"late": 2},
                 "rejected": {"too_old": 3}, "dropped": {"duplicate": 4}, "balanced": true, "last_at": "1970-01-01T00:00:02Z"},
                {"source": "otlp_http/10.0.0.7", "signal": "logs", "received": 1, "stored": 0, "stored_as": {},
                 "rejected": {"malformed": 1}, "dropped": {}, "balanced": true, "last_at": "1970-01-01T00:00:00.5Z"},
            ],
            "stores": [{"store": "influx", "received": 10, "queued": 4, "delivered": 3, "rejected": {"unparsable": 2},
                        "dropped": 1, "balanced": true, "oldest_at": "1970-01-01T00:00:01Z", "last_error": "503: busy"}],
            "backends": [{"backend": "ops", "received": 6, "queued": 1, "delivered": 2, "rejected": {"failed": 2}, "dropped": 1,
                          "suppressed": 9, "balanced": true, "oldest_at": "1970-01-01T00:00:03Z"}],
        })
    );
}

#[test]
fn one_account_that_does_not_balance_makes_the_whole_document_say_so() {
    let even_store = SinkStatus { received: 1, queued: 1, ..SinkStatus::default() };
    let odd_store = SinkStatus { received: 2, ..even_store.clone() };
    let even_backend = BackendAccount { received: 1, delivered: 1, ..BackendAccount::default() };
    let odd_backend = BackendAccount { received: 0, ..even_backend.clone() };
    let odd_source = ledger();
    post(&odd_source, "10.0.0.7", Signal::Logs, 0, &[], 1);
    for (source, store, backend, balanced) in [
        (ledger(), &even_store, &even_backend, true),
        (odd_source, &even_store, &even_backend, false),
        (ledger(), &odd_store, &even_backend, false),
        (ledger(), &even_store, &odd_backend, false),
    ] {
        let stores = vec![("influx".to_owned(), store.clone())];
        let document = Document::of(&source.entries(), stores, vec![backend.clone()]);
        assert_eq!(document.balanced, balanced, "{document:?}");
    }
}

#[test]
fn every_reason_is_explained() {
    let page = include_str!("../../../../../docs/ledger.md");
    let (_, page) = page.split_once("## Outcomes and reasons").expect("the part about reasons");
    let (page, _) = page.split_once("## Down the line").expect("the part after it");
    let missing: Vec<_> = Reason::ALL
        .into_iter()
        .filter(|reason| *reason != Reason::None)
        .map(Reason::as_str)
        .filter(|reason| !page.lines().any(|line| line.starts_with(&format!("| `{reason}` |"))))
        .collect();
    assert!(missing.is_empty(), "docs/ledger.md has no row for {missing:?}");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let unknown: Vec<_> = rows.filter(|reason| Reason::parse(reason).is_none()).collect();
    assert!(unknown.is_empty(), "docs/ledger.md explains {unknown:?}, which are no reasons");
}
