//! The books against the ledger: received = stored + rejected + dropped, to the point, and stored is what was sent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Author, Book, audit};
use crate::Http;
use crate::rows::Rows;

/// Why a request may be refused for now. All else would be a fault of the sender's, and it made none.
const PASSING: [&str; 3] = ["unavailable", "throttled", "interrupted"];

/// What senders know of one receiver and signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Points of acknowledged requests.
    pub points: u64,
    /// Points of attempts that were not acknowledged and may have been stored all the same, so that their repetition is a duplicate: no
    /// answer came, or a refusal for now, after which a log that can be written again may still write them.
    pub unclear: u64,
    /// Requests that were refused for now.
    pub refused: u64,
}

/// The books of all senders by receiver and signal.
pub type Ledger = BTreeMap<(&'static str, &'static str), Sent>;

/// Adds up the books of meter senders.
pub fn of(books: &[(&Author, Book)]) -> Ledger {
    let mut ledger = Ledger::new();
    for (author, book) in books {
        let sent = ledger.entry((author.kind.receiver(), author.kind.signal())).or_default();
        sent.points += book.acked() * author.points();
        sent.unclear += (book.unknown() + book.refused()) * author.points();
        sent.refused += book.refused();
    }
    ledger
}

/// A source's account of one signal, as `GET /api/v1/ledger` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Metered where bodies are read.
    pub received: u64,
    /// In the store.
    pub stored: u64,
    /// By reason.
    pub rejected: BTreeMap<String, u64>,
    /// By reason.
    pub dropped: BTreeMap<String, u64>,
}

impl Account {
    /// Whether what came is what became of it.
    pub fn is_even(&self) -> bool {
        self.received == self.stored + self.rejected.values().sum::<u64>() + self.dropped.values().sum::<u64>()
    }

    fn add(&mut self, other: &Account) {
        self.received += other.received;
        self.stored += other.stored;
        for (into, from) in [(&mut self.rejected, &other.rejected), (&mut self.dropped, &other.dropped)] {
            for (reason, points) in from {
                *into.entry(reason.clone()).or_default() += points;
            }
        }
    }
}

/// The accounts of all sources, by source and signal.
pub type Accounts = BTreeMap<(String, String), Account>;

/// Reads `GET /api/v1/ledger`, and whether it says that it balances.
///
/// # Errors
/// When it is not there or has another shape.
pub fn read(http: &Http) -> Result<(bool, Accounts), String> {
    let answer = http.try_get("/api/v1/ledger")?;
    if answer.status != 200 {
        return Err(format!("GET /api/v1/ledger: {} {}", answer.status, answer.text()));
    }
    let document = answer.json();
    let shape = || format!("GET /api/v1/ledger has another shape: {document}");
    let mut accounts = BTreeMap::new();
    for source in document["sources"].as_array().ok_or_else(shape)? {
        let text = |name: &str| source[name].as_str().map(str::to_owned).ok_or_else(shape);
        let number = |name: &str| source[name].as_u64().ok_or_else(shape);
        let reasons = |name: &str| -> Result<BTreeMap<String, u64>, String> {
            let reasons = source[name].as_object().ok_or_else(shape)?.iter();
            reasons.map(|(reason, points)| Ok((reason.clone(), points.as_u64().ok_or_else(shape)?))).collect()
        };
        let account = Account {
            received: number("received")?,
            stored: number("stored")?,
            rejected: reasons("rejected")?,
            dropped: reasons("dropped")?,
        };
        accounts.insert((text("source")?, text("signal")?), account);
    }
    Ok((document["balanced"].as_bool().ok_or_else(shape)?, accounts))
}

/// Compares the ledger with what senders know, once all that they sent is acknowledged.
///
/// # Panics
/// When a query fails.
#[track_caller]
pub fn check(http: &Http, sent: &Ledger) -> Vec<String> {
    let (balanced, accounts) = match read(http) {
        Ok(read) => read,
        Err(error) => return vec![error],
    };
    let mut problems = Vec::new();
    if !balanced {
        problems.push("the ledger says that it does not balance".to_owned());
    }
    for ((source, signal), account) in accounts.iter().filter(|(_, account)| !account.is_even()) {
        problems.push(format!("{signal} of {source} do not balance: {account:?}"));
    }
    if accounts != from_tables(http, &mut problems) {
        problems.push(format!("flyball.ledger is not what GET /api/v1/ledger says: {accounts:?}"));
    }
    let mut stored = BTreeMap::<&str, u64>::new();
    for (&(receiver, signal), sent) in sent {
        let mut account = Account::default();
        let of =
            accounts.iter().filter(|((source, of), _)| of == signal && source.starts_with(&format!("{receiver}/")));
        of.for_each(|(_, one)| account.add(one));
        problems.extend(
            differences(&account, sent).map(|what| format!("{signal} by {receiver}: {what}: {account:?}, {sent:?}")),
        );
        *stored.entry(signal).or_default() += account.stored;
    }
    for (signal, table) in [("metrics", "metrics"), ("logs", "logs")] {
        let stored = stored.get(signal).copied().unwrap_or(0);
        let rows = audit::count(http, table);
        if rows != stored {
            problems.push(format!("{signal}: {rows} rows in the tables, {stored} stored in the ledger"));
        }
    }
    problems
}

fn differences(account: &Account, sent: &Sent) -> impl Iterator<Item = String> {
    let duplicates = account.dropped.get("duplicate").copied().unwrap_or(0);
    let lost: Vec<_> = account.dropped.iter().filter(|(reason, _)| *reason != "duplicate").collect();
    let refused: Vec<_> = account.rejected.iter().filter(|(reason, _)| !PASSING.contains(&reason.as_str())).collect();
    let found = [
        (account.stored != sent.points, format!("{} points stored, {} acknowledged", account.stored, sent.points)),
        (duplicates > sent.unclear, format!("{duplicates} duplicates, at most {} were sent twice", sent.unclear)),
        (!lost.is_empty(), format!("lost: {lost:?}")),
        (!refused.is_empty(), format!("refused though nothing is wrong with them: {refused:?}")),
    ];
    found.into_iter().filter(|(wrong, _)| *wrong).map(|(_, what)| what).collect::<Vec<_>>().into_iter()
}

/// The same accounts from `flyball.ledger`, with the received points of the API: the table has none. Those of `flyball.sources` must
/// add up to them.
#[track_caller]
fn from_tables(http: &Http, problems: &mut Vec<String>) -> Accounts {
    let ask =
        |sql: &str| Rows::ask(http, sql).unwrap_or_else(|answer| panic!("{sql}\n{} {}", answer.status, answer.text()));
    let api = read(http).map(|(_, accounts)| accounts).unwrap_or_default();
    let received = |key: &(String, String)| api.get(key).map_or(0, |account| account.received);
    let mut accounts = Accounts::new();
    let rows = ask("SELECT source, signal, outcome, reason, points FROM flyball.ledger");
    for row in 0..rows.len() {
        let key = (rows.text(row, "source"), rows.text(row, "signal"));
        let received = received(&key);
        let account = accounts.entry(key).or_insert_with(|| Account { received, ..Account::default() });
        let (reason, points) = (rows.get(row, "reason"), rows.get(row, "points").as_u64().unwrap_or(0));
        let reason = if let Value::String(reason) = reason { reason.clone() } else { String::new() };
        match rows.text(row, "outcome").as_str() {
            "stored" => account.stored += points,
            "rejected" => *account.rejected.entry(reason).or_default() += points,
            "dropped" => *account.dropped.entry(reason).or_default() += points,
            other => problems.push(format!("flyball.ledger has an outcome '{other}'")),
        }
    }
    let rows = ask("SELECT source, points FROM flyball.sources");
    for row in 0..rows.len() {
        let source = rows.text(row, "source");
        let metered: u64 = api.iter().filter(|((of, _), _)| *of == source).map(|(_, account)| account.received).sum();
        if rows.get(row, "points").as_u64() != Some(metered) {
            problems.push(format!(
                "flyball.sources has {} points of {source}, the ledger {metered}",
                rows.get(row, "points")
            ));
        }
    }
    accounts
}
