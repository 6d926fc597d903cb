//! The ledger's part of the page, by receiver: peers are many, and what a counter is named by must be few.

use std::collections::BTreeMap;

use flyball_model::ledger::{Entry, Ledger, Outcome, Reason, Signal};

use super::Page;

/// Why points are dropped. These lines are on the page from a receiver's first request on: of a counter that begins at five Prometheus
/// can't tell that it rose.
const DROPPED_FOR: [Reason; 2] = [Reason::Duplicate, Reason::LogDamaged];

/// The accounts of all peers of a receiver as one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals<'a> {
    requests: BTreeMap<&'a str, u64>,
    bytes: BTreeMap<&'a str, u64>,
    received: BTreeMap<(&'a str, Signal), u64>,
    lines: BTreeMap<(&'a str, Signal, Outcome, Reason), u64>,
}

impl<'a> Totals<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut totals = Self::default();
        for entry in entries {
            let (receiver, signal) = (&*entry.receiver, entry.signal);
            *totals.requests.entry(receiver).or_default() += entry.requests;
            *totals.bytes.entry(receiver).or_default() += entry.bytes;
            if entry.received > 0 {
                *totals.received.entry((receiver, signal)).or_default() += entry.received;
                for reason in DROPPED_FOR {
                    totals.lines.entry((receiver, signal, Outcome::Dropped, reason)).or_default();
                }
            }
            for line in &entry.lines {
                *totals.lines.entry((receiver, signal, line.outcome, line.reason)).or_default() += line.points;
            }
        }
        totals
    }
}

pub(super) fn write(page: &mut Page, ledger: &Ledger, even_down_the_line: bool) {
    // One look, so that the counters of a page fit each other.
    let entries = ledger.entries();
    let totals = Totals::of(&entries);
    page.family(
        "flyball_received_points_total",
        "counter",
        "Points, log records and spans that came, whatever became of them, by receiver and signal.",
    );
    for (&(receiver, signal), &points) in &totals.received {
        let labels = [("receiver", receiver), ("signal", signal.as_str())];
        page.sample("flyball_received_points_total", &labels, points as f64);
    }
    page.family(
        "flyball_points_total",
        "counter",
        "What became of them, by receiver, signal, outcome and reason; reasons about whole requests count requests.",
    );
    for (&(receiver, signal, outcome, reason), &points) in &totals.lines {
        let labels = [
            ("receiver", receiver),
            ("signal", signal.as_str()),
            ("outcome", outcome.as_str()),
            ("reason", reason.as_str()),
        ];
        page.sample("flyball_points_total", &labels, points as f64);
    }
    page.single(
        "flyball_ledger_balanced",
        "gauge",
        "1 while every account of a source, a store or a backend balances, to the point; see GET /api/v1/ledger.",
        f64::from(u8::from(even_down_the_line && ledger.balances().iter().all(|balance| balance.is_even()))),
    );
    page.family("flyball_requests_total", "counter", "Requests by receiver, refused ones included.");
    for (&receiver, &requests) in &totals.requests {
        page.sample("flyball_requests_total", &[("receiver", receiver)], requests as f64);
    }
    page.family("flyball_received_bytes_total", "counter", "Bytes of bodies as they came, by receiver.");
    for (&receiver, &bytes) in &totals.bytes {
        page.sample("flyball_received_bytes_total", &[("receiver", receiver)], bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::UnixNanos;

    use super::*;

    fn entry(peer: &str, received: u64, lines: &[(Outcome, Reason, u64)]) -> Entry {
        let mut entry = Entry::request("otlp_http", peer, Signal::Logs, 100, UnixNanos(5));
        entry.received = received;
        lines.iter().for_each(|&(outcome, reason, points)| entry.add(outcome, reason, points));
        entry
    }

    fn page(entries: &[Entry]) -> Vec<String> {
        let (ledger, mut page) = (Ledger::default(), Page::default());
        entries.iter().for_each(|entry| ledger.post(entry));
        write(&mut page, &ledger, true);
        page.text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn peers_of_a_receiver_are_one_line_and_drops_are_there_before_they_happen() {
        let stored = (Outcome::Stored, Reason::None, 3);
        let lines = page(&[entry("a", 3, &[stored]), entry("b", 5, &[stored, (Outcome::Rejected, Reason::TooOld, 2)])]);
        let of = r#"receiver="otlp_http",signal="logs""#;
        assert_eq!(
            lines,
            [
                format!("flyball_received_points_total{{{of}}} 8"),
                format!("flyball_points_total{{{of},outcome=\"stored\",reason=\"\"}} 6"),
                format!("flyball_points_total{{{of},outcome=\"rejected\",reason=\"too_old\"}} 2"),
                format!("flyball_points_total{{{of},outcome=\"dropped\",reason=\"duplicate\"}} 0"),
                format!("flyball_points_total{{{of},outcome=\"dropped\",reason=\"log_damaged\"}} 0"),
                "flyball_ledger_balanced 1".to_owned(),
                "flyball_requests_total{receiver=\"otlp_http\"} 2".to_owned(),
                "flyball_received_bytes_total{receiver=\"otlp_http\"} 200".to_owned(),
            ]
        );
    }

    #[test]
    fn one_source_that_does_not_balance_shows() {
        for (received, balanced) in [(3, 1), (4, 0), (2, 0)] {
            let lines = page(&[entry("a", received, &[(Outcome::Stored, Reason::None, 3)]), entry("b", 0, &[])]);
            assert!(lines.contains(&format!("flyball_ledger_balanced {balanced}")), "{lines:?}");
        }
    }
}
