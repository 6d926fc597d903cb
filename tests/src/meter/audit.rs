//! The books against the tables.

use std::collections::HashMap;

use super::{Author, Book, Kind};
use crate::Http;
use crate::rows::Rows;

/// How much event time one query looks at: bounded memory in the server, whatever the length of the run.
const SLICE_MILLIS: u64 = 20_000;

/// More of one kind say nothing new.
const PROBLEMS_MAX: usize = 12;

/// What the tables hold of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// Rows.
    rows: u64,
    /// Series of which not every point is there exactly once with its value.
    broken: u64,
    /// Series with any row.
    lanes: u64,
}

/// Looks for every request from `from` on that the book has as acknowledged: each of its points must be there once, with its time and
/// its value. A request that is not acknowledged may be there or not.
///
/// # Panics
/// When a query fails.
#[track_caller]
pub fn acked(http: &Http, author: &Author, book: &Book, from: u64) -> Vec<String> {
    let end = book.fates.len() as u64;
    let found = found(http, author, from, end);
    let mut problems = Vec::new();
    let fates = book.fates.iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX));
    for (request, fate) in fates {
        let Some(life) = fate.acked else { continue };
        let request = request as u64;
        let found = found.get(&request).copied().unwrap_or(Found { rows: 0, broken: 0, lanes: 0 });
        if (found.rows, found.broken, found.lanes) != (author.points(), 0, author.lanes) {
            let what = match found.rows.cmp(&author.points()) {
                std::cmp::Ordering::Less => "lost",
                std::cmp::Ordering::Equal => "not what was sent",
                std::cmp::Ordering::Greater => "stored twice",
            };
            problems.push(format!(
                "{what}: request {request} of {}, acknowledged in life {life} after {} attempts ({} without an answer), has {} rows instead of {}; {} of {} series are not right",
                author.sender, fate.attempts, fate.unknown, found.rows, author.points(), found.broken, author.lanes
            ));
        }
    }
    shorten(problems)
}

/// After all is acknowledged: every request is there once, and nothing else is.
///
/// # Panics
/// When a query fails.
#[track_caller]
pub fn complete(http: &Http, books: &[(&Author, Book)]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expected: HashMap<&str, u64> = HashMap::new();
    for (author, book) in books {
        let fates = book.fates.iter().filter(|fate| fate.acked.is_none()).count();
        if fates > 0 {
            problems.push(format!("{fates} requests of {} were never acknowledged", author.sender));
        }
        problems.extend(book.faults.iter().map(|fault| format!("{}: {fault}", author.sender)));
        problems.extend(acked(http, author, book, 0));
        *expected.entry(author.kind.table()).or_default() += book.acked() * author.points();
    }
    problems.extend(twin(http, books));
    for (table, expected) in expected {
        let stored = count(http, table);
        if stored != expected {
            problems.push(format!("{table} has {stored} rows, {expected} were sent"));
        }
    }
    problems
}

/// The node of each sender of gauges has the newest value, whichever came last.
#[track_caller]
fn twin(http: &Http, books: &[(&Author, Book)]) -> Vec<String> {
    let sql = "SELECT id, load1 FROM twin.node";
    let rows = Rows::ask(http, sql).unwrap_or_else(|answer| panic!("{sql}\n{} {}", answer.status, answer.text()));
    let load =
        |id: &str| (0..rows.len()).find(|&row| rows.text(row, "id") == id).map(|row| rows.get(row, "load1").as_f64());
    let newest = |author: &Author, book: &Book| (book.fates.len() as u64 * author.samples).checked_sub(1);
    let gauges = books.iter().filter(|(author, _)| author.kind == Kind::Gauges);
    let wrong = gauges.filter_map(|(author, book)| {
        let (found, newest) = (load(&author.sender).flatten(), newest(author, book).map(|newest| newest as f64));
        (found != newest)
            .then(|| format!("the twin has {found:?} as the load of {}, sent was {newest:?}", author.sender))
    });
    wrong.collect()
}

/// Rows of a table; 0 while it does not exist.
///
/// # Panics
/// When the query fails otherwise.
#[track_caller]
pub fn count(http: &Http, table: &str) -> u64 {
    match Rows::ask(http, &format!("SELECT count(*) AS rows FROM {table}")) {
        Ok(rows) => rows.get(0, "rows").as_u64().expect("a count"),
        Err(answer) if knows_nothing(&answer.text()) => 0,
        Err(answer) => panic!("{table}: {} {}", answer.status, answer.text()),
    }
}

#[track_caller]
fn found(http: &Http, author: &Author, from: u64, end: u64) -> HashMap<u64, Found> {
    let mut found = HashMap::new();
    let step = (SLICE_MILLIS / author.samples / author.every_millis).max(1);
    let mut at = from;
    while at < end {
        let to = (at + step).min(end);
        let sql = question(author, at, to);
        let rows = match Rows::ask(http, &sql) {
            Ok(rows) => rows,
            Err(answer) if knows_nothing(&answer.text()) => break,
            Err(answer) => panic!("{sql}\n{} {}", answer.status, answer.text()),
        };
        for row in 0..rows.len() {
            let number = |column: &str| rows.get(row, column).as_u64().unwrap_or_else(|| panic!("{rows:?}"));
            let one = Found { rows: number("found"), broken: number("broken"), lanes: number("lanes") };
            found.insert(number("request"), one);
        }
        at = to;
    }
    found
}

/// Whether an error means that there is no row: tables and label columns begin to exist with their first point.
fn knows_nothing(error: &str) -> bool {
    error.contains("unknown table") || error.contains("unknown column 'sender'")
}

/// Each sample of a request has a bit; with as many rows as samples the exclusive or of their bits is full only if each is there once.
fn question(author: &Author, from: u64, to: u64) -> String {
    let Author { sender, samples, epoch_millis, every_millis, kind, .. } = author;
    let (first, last) = (author.millis(from) * 1_000_000, author.millis(to) * 1_000_000);
    let (epoch, every) = (epoch_millis * 1_000_000, every_millis * 1_000_000);
    let full = (1_u64 << samples) - 1;
    let (table, truth) = (kind.table(), kind.truth());
    let (lane, value) = if table == "logs" { ("'0' AS lane", "body") } else { ("lane", "value") };
    format!(
        "SELECT request, count(*) AS lanes, sum(n) AS found, sum(CASE WHEN n = {samples} AND bits = {full} AND wrong = 0 THEN 0 ELSE 1 END) AS broken \
         FROM (SELECT k / {samples} AS request, lane, count(*) AS n, bit_xor(1 << (k % {samples})) AS bits, \
           sum(CASE WHEN {truth} AND rest = 0 THEN 0 ELSE 1 END) AS wrong \
           FROM (SELECT {lane}, {value}, (CAST(time AS BIGINT) - {epoch}) % {every} AS rest, (CAST(time AS BIGINT) - {epoch}) / {every} AS k FROM {table} \
             WHERE sender = '{sender}' AND time >= to_timestamp_nanos({first}) AND time < to_timestamp_nanos({last})) \
           GROUP BY 1, 2) GROUP BY request"
    )
}

fn shorten(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    problems.truncate(PROBLEMS_MAX);
    if more > 0 {
        problems.push(format!("… and {more} more"));
    }
    problems
}
