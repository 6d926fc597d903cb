//! `flyball ledger`: the account of every source, and its check.

mod table;

use std::io::Write;

use anyhow::Context;
use serde_json::json;

use crate::api::ledger::Document;
use crate::cli::{LedgerArgs, LedgerCommand, LedgerFormat};
use crate::{Failure, client};

pub(crate) async fn run(args: LedgerArgs) -> Result<(), Failure> {
    let url = client::at(&args.url, "/api/v1/ledger");
    let body = client::ask(args.credentials.client()?.get(url), &args.url).await?;
    let document: Document =
        serde_json::from_slice(&body).context("the server's ledger can't be read; is it of another version?")?;
    let problems = problems(&document);
    let answer = match (&args.command, args.format) {
        (None, LedgerFormat::Json) => pretty(&document)?,
        (None, LedgerFormat::Table) => table::render(&document),
        (Some(LedgerCommand::Check), LedgerFormat::Json) => {
            pretty(&json!({"balanced": problems.is_empty(), "problems": problems}))?
        }
        (Some(LedgerCommand::Check), LedgerFormat::Table) if problems.is_empty() => good(&document),
        (Some(LedgerCommand::Check), LedgerFormat::Table) => problems.iter().map(|line| format!("{line}\n")).collect(),
    };
    std::io::stdout().lock().write_all(answer.as_bytes()).context("stdout is closed")?;
    // What does not balance is on stdout.
    if args.command.is_some() && !problems.is_empty() { Err(Failure::Reported) } else { Ok(()) }
}

fn pretty(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value).context("the answer can't be written as JSON")? + "\n")
}

/// Everything that does not add up. The sums are done here: the server's own word for it is one more thing to check.
fn problems(document: &Document) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |what: String, parts: &str, received: u64, accounted: u64, said: bool| {
        let difference = received.abs_diff(accounted);
        if received > accounted {
            problems.push(format!(
                "{what}: {received} received, but {parts} are {accounted}: {difference} unaccounted for"
            ));
        } else if received < accounted {
            problems.push(format!("{what}: {received} received, but {parts} are {accounted}: {difference} too many"));
        } else if !said {
            problems.push(format!("{what}: the server says that it does not balance, but its numbers do"));
        }
    };
    let mut sums = [0; 4];
    for source in &document.sources {
        let what = format!("{}, {}", source.source, source.signal);
        check(what, "stored + rejected + dropped", source.received, source.accounted(), source.balanced);
        let parts = [
            source.received,
            source.stored,
            source.rejected.values().sum::<u64>(),
            source.dropped.values().sum::<u64>(),
        ];
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }
    let parts = "queued + delivered + rejected + dropped";
    for store in &document.stores {
        check(format!("store {}", store.store), parts, store.received, store.accounted(), store.balanced);
    }
    for backend in &document.backends {
        check(format!("backend {}", backend.backend), parts, backend.received, backend.accounted(), backend.balanced);
    }
    let Document { received, stored, rejected, dropped, .. } = *document;
    let totals = [received, stored, rejected, dropped];
    for (name, (total, sum)) in ["received", "stored", "rejected", "dropped"].iter().zip(totals.into_iter().zip(sums)) {
        if total != sum {
            problems.push(format!("all: {total} {name}, but the sources have {sum}"));
        }
    }
    for source in &document.sources {
        let odd = source.stored_as.values().sum::<u64>();
        if odd > source.stored {
            let (name, signal, stored) = (&source.source, &source.signal, source.stored);
            problems.push(format!("{name}, {signal}: {stored} stored, but {odd} of them with a reason"));
        }
    }
    if problems.is_empty() && !document.balanced {
        problems.push("all: the server says that it does not balance, but its numbers do".to_owned());
    }
    problems
}

fn good(document: &Document) -> String {
    let Document { received, stored, rejected, dropped, sources, stores, backends, .. } = document;
    format!(
        "balanced: {received} received = {stored} stored + {rejected} rejected + {dropped} dropped; accounts of sources: {}, stores: {}, backends: {}\n",
        sources.len(),
        stores.len(),
        backends.len()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> Document {
        let mut document = json!({
            "balanced": true, "received": 16, "stored": 8, "rejected": 4, "dropped": 4,
            "sources": [
                {"source": "a/b", "signal": "metrics", "received": 15, "stored": 8, "stored_as": {"late": 2},
                 "rejected": {"too_old": 3}, "dropped": {"duplicate": 4}, "balanced": true, "last_at": null},
                {"source": "a/b", "signal": "logs", "received": 1, "stored": 0, "stored_as": {}, "rejected": {"malformed": 1},
                 "dropped": {}, "balanced": true, "last_at": null},
            ],
            "stores": [{"store": "influx", "received": 10, "queued": 4, "delivered": 3, "rejected": {"unparsable": 2},
                        "dropped": 1, "balanced": true, "oldest_at": null, "last_error": null}],
            "backends": [{"backend": "ops", "received": 6, "queued": 1, "delivered": 2, "rejected": {"failed": 2},
                          "dropped": 1, "suppressed": 9, "balanced": true, "oldest_at": null}],
        });
        change(&mut document);
        serde_json::from_value(document).expect("a document")
    }

    #[test]
    fn what_does_not_balance_is_named_with_its_numbers() {
        assert_eq!(problems(&document(|_| {})), <[String; 0]>::default());
        let cases: [(&str, Value, &[&str]); 7] = [
            (
                "/sources/0/received",
                json!(17),
                &[
                    "a/b, metrics: 17 received, but stored + rejected + dropped are 15: 2 unaccounted for",
                    "all: 16 received, but the sources have 18",
                ],
            ),
            (
                "/sources/1/rejected/malformed",
                json!(2),
                &[
                    "a/b, logs: 1 received, but stored + rejected + dropped are 2: 1 too many",
                    "all: 4 rejected, but the sources have 5",
                ],
            ),
            (
                "/stores/0/delivered",
                json!(1),
                &["store influx: 10 received, but queued + delivered + rejected + dropped are 8: 2 unaccounted for"],
            ),
            (
                "/backends/0/queued",
                json!(2),
                &["backend ops: 6 received, but queued + delivered + rejected + dropped are 7: 1 too many"],
            ),
            ("/sources/0/stored_as/late", json!(9), &["a/b, metrics: 8 stored, but 9 of them with a reason"]),
            ("/balanced", json!(false), &["all: the server says that it does not balance, but its numbers do"]),
            (
                "/sources/0/balanced",
                json!(false),
                &["a/b, metrics: the server says that it does not balance, but its numbers do"],
            ),
        ];
        for (place, value, expected) in cases {
            let found = problems(&document(|document| *document.pointer_mut(place).expect(place) = value));
            assert_eq!(found, expected, "{place}");
        }
    }
}
