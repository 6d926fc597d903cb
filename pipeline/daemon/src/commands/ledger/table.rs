//! The accounts as text that people read.

use std::collections::BTreeMap;

use crate::api::ledger::{Document, sum};

/// Columns of text, each as wide as its widest cell; numbers stand to the right.
struct Table {
    right: &'static [bool],
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(right: &'static [bool], head: &[&str]) -> Self {
        Self { right, rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    fn render(&self, into: &mut String) {
        let cells = || self.rows.iter().flat_map(|row| row.iter().enumerate());
        let mut widths = vec![0; self.right.len()];
        for (column, cell) in cells() {
            widths[column] = widths[column].max(cell.chars().count());
        }
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let gap = if column == 0 { "" } else { "  " };
                line += gap;
                line += &if self.right[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            }
            into.push_str(line.trim_end());
            into.push('\n');
        }
    }
}

/// The whole ledger: totals, a line a source and signal, below it one a reason; then stores and backends.
pub(super) fn render(document: &Document) -> String {
    let mut text = String::new();
    sources(document).render(&mut text);
    for table in [stores(document), backends(document)].into_iter().filter(|table| table.rows.len() > 1) {
        text.push('\n');
        table.render(&mut text);
    }
    text
}

fn sources(document: &Document) -> Table {
    let head = ["source", "signal", "unit", "received", "stored", "rejected", "dropped", "balance", "last at"];
    let mut table = Table::new(&[false, false, false, true, true, true, true, false, false], &head);
    let Document { received, stored, rejected, dropped, .. } = *document;
    let numbers = [received, stored, rejected, dropped].map(grouped);
    let verdict = balance(received, stored + rejected + dropped);
    table.rows.push(row(&["all", "", "", &numbers[0], &numbers[1], &numbers[2], &numbers[3], &verdict, ""]));
    for source in &document.sources {
        let unit = match source.signal.as_str() {
            "metrics" => "points",
            "logs" => "log records",
            "traces" => "spans",
            _ => "",
        };
        let numbers = [source.received, source.stored, sum(&source.rejected), sum(&source.dropped)].map(grouped);
        let verdict = balance(source.received, source.accounted());
        let last_at = source.last_at.as_deref().unwrap_or_default();
        let [received, stored, rejected, dropped] = &numbers;
        table.rows.push(row(&[
            &source.source,
            &source.signal,
            unit,
            received,
            stored,
            rejected,
            dropped,
            &verdict,
            last_at,
        ]));
        for (column, word, reasons) in
            [(4, "stored", &source.stored_as), (5, "rejected", &source.rejected), (6, "dropped", &source.dropped)]
        {
            for (reason, &points) in reasons {
                let mut line = vec![String::new(); head.len()];
                line[0] = plain(&format!("  {word}: {reason}"));
                line[column] = grouped(points);
                table.rows.push(line);
            }
        }
    }
    table
}

fn stores(document: &Document) -> Table {
    let head =
        ["store", "unit", "received", "queued", "delivered", "rejected", "dropped", "balance", "oldest", "last error"];
    let mut table = Table::new(&[false, false, true, true, true, true, true, false, false, false], &head);
    for store in &document.stores {
        let numbers = [store.received, store.queued, store.delivered, sum(&store.rejected), store.dropped].map(grouped);
        let mut line = row(&[&store.store, "records"]);
        line.extend(numbers);
        line.push(balance(store.received, store.accounted()));
        line.push(plain(store.oldest_at.as_deref().unwrap_or_default()));
        line.push(plain(store.last_error.as_deref().unwrap_or_default()));
        table.rows.push(line);
        push_reasons(&mut table, &store.rejected);
    }
    table
}

fn backends(document: &Document) -> Table {
    let head =
        ["backend", "unit", "received", "queued", "delivered", "rejected", "dropped", "balance", "oldest", "held back"];
    let mut table = Table::new(&[false, false, true, true, true, true, true, false, false, true], &head);
    for backend in &document.backends {
        let numbers =
            [backend.received, backend.queued, backend.delivered, sum(&backend.rejected), backend.dropped].map(grouped);
        let mut line = row(&[&backend.backend, "events"]);
        line.extend(numbers);
        line.push(balance(backend.received, backend.accounted()));
        line.push(plain(backend.oldest_at.as_deref().unwrap_or_default()));
        line.push(grouped(backend.suppressed));
        table.rows.push(line);
        push_reasons(&mut table, &backend.rejected);
    }
    table
}

/// Lines of stores and backends, where what is rejected stands in the sixth column.
fn push_reasons(table: &mut Table, rejected: &BTreeMap<String, u64>) {
    for (reason, &count) in rejected {
        table.rows.push(row(&[&format!("  rejected: {reason}"), "", "", "", "", &grouped(count)]));
    }
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| plain(cell)).collect()
}

/// What others said must not steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn balance(received: u64, accounted: u64) -> String {
    match received.cmp(&accounted) {
        std::cmp::Ordering::Equal => "even".to_owned(),
        std::cmp::Ordering::Greater => format!("{} unaccounted for", grouped(received - accounted)),
        std::cmp::Ordering::Less => format!("{} too many", grouped(accounted - received)),
    }
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ledger::{Backend, Source, Store};

    fn reasons(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|&(reason, count)| (reason.to_owned(), count)).collect()
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_table_has_totals_sources_reasons_stores_and_backends() {
        let source = Source {
            source: "influx/10.0.0.7\u{1b}[2J".into(),
            signal: "metrics".into(),
            received: 1_234,
            stored: 1_200,
            stored_as: reasons(&[("rounded", 7)]),
            rejected: reasons(&[("bad_line", 30), ("too_old", 1)]),
            dropped: reasons(&[("duplicate", 2)]),
            balanced: false,
            last_at: Some("2026-01-01T00:00:10Z".into()),
        };
        let store = Store {
            store: "influxdb".into(),
            received: 9,
            queued: 2,
            delivered: 6,
            rejected: reasons(&[("unparsable", 1)]),
            balanced: true,
            last_error: Some("503: busy".into()),
            ..Store::default()
        };
        let backend = Backend {
            backend: "ops".into(),
            received: 3,
            delivered: 3,
            suppressed: 4,
            balanced: true,
            ..Backend::default()
        };
        let document = Document {
            balanced: false,
            received: 1_234,
            stored: 1_200,
            rejected: 31,
            dropped: 2,
            sources: vec![source],
            stores: vec![store],
            backends: vec![backend],
        };
        let expected = "\
source                signal   unit    received  stored  rejected  dropped  balance            last at
all                                       1,234   1,200        31        2  1 unaccounted for
influx/10.0.0.7 [2J   metrics  points     1,234   1,200        31        2  1 unaccounted for  2026-01-01T00:00:10Z
  stored: rounded                                     7
  rejected: bad_line                                           30
  rejected: too_old                                             1
  dropped: duplicate                                                     2

store                   unit     received  queued  delivered  rejected  dropped  balance  oldest  last error
influxdb                records         9       2          6         1        0  even             503: busy
  rejected: unparsable                                               1

backend  unit    received  queued  delivered  rejected  dropped  balance  oldest  held back
ops      events         3       0          3         0        0  even                     4
";
        assert_eq!(render(&document), expected, "{}", render(&document));
    }
}
