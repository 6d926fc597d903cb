//! Senders that never give up, and a flyball that is killed again and again.
//!
//! 25 kills here; `scripts/crash --kills 1000 --seed 7` does the same for as long as one likes.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_tests::meter::alarms::Alarms;
use flyball_tests::meter::{Author, Book, Chance, Fleet, Load, Victim, account, audit, settings};
use flyball_tests::time::instant;
use serde_json::{Value, json};

use super::moments::Moment;

/// Eight connections, 1,000 points a second in each of 14 series and 2 streams of logs; what a debug build takes with ease.
const LOAD: Load = Load { connections: 2, lanes: 2, samples: 32, ballast: 300 };

/// How long the senders may need at the end for what they still have.
const FINISH: Duration = Duration::from_secs(60);

/// Little memory, so that flushes into the history come every few seconds.
fn config() -> Value {
    json!({"limits": {"memory": "128MiB"}})
}

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_is_stored_twice_over_kills() {
    let (kills, seed) = (settings::number("FLYBALL_KILLS", 25), settings::seed());
    let own = flyball_tests::flyball::temp_dir();
    let dir = settings::folder().unwrap_or_else(|| own.path().to_owned());
    eprintln!("{kills} kills, FLYBALL_SEED={seed}, in {}", dir.display());
    let (hook, mut whole) = Alarms::start(&dir);
    flyball_tests::flyball::lay_over(&mut whole, config());
    let mut victim = Victim::new(&dir, whole);
    let mut chance = Chance::new(seed);
    let start = instant();
    victim.start_ready();
    let mut run = Run {
        fleet: Fleet::start(&victim.http, LOAD),
        alarms: Alarms::new(hook, &victim.http),
        settled: Vec::new(),
        struck: BTreeMap::new(),
        slowest_start: Duration::ZERO,
    };
    run.fleet.life(1);
    run.alarms.change(0);

    for kill in 1..=kills {
        let moment = Moment::pick(&mut chance);
        if moment != Moment::Starting {
            run.wait_and_look(&mut victim, &format!("seed {seed}, before kill {kill}"));
            run.alarms.disturb(&mut chance);
        }
        moment.strike(&mut victim, &mut chance);
        *run.struck.entry(moment).or_default() += 1;
        run.fleet.life(victim.lives + 1);
        victim.start();
        if kill % 25 == 0 {
            eprintln!("{kill} kills after {:.0?}: {}", start.elapsed(), run.summary());
        }
    }

    run.wait_and_look(&mut victim, &format!("seed {seed}, after the last kill"));
    run.fleet.finish(FINISH);
    run.alarms.end();
    run.check_all(&victim, &format!("seed {seed}, at the end"));
    // What is complete now must stay so, as replayed from the log and as flushed by a drain.
    victim.kill();
    victim.start_ready();
    run.check_all(&victim, &format!("seed {seed}, replayed once more"));
    victim.stop();
    victim.start_ready();
    run.check_all(&victim, &format!("seed {seed}, after a drain"));
    victim.kill();
    assert!(victim.alarming.is_empty(), "a kill is no reason for an error: {:#?}", victim.alarming);
    eprintln!("all is there after {kills} kills and {:.0?}: {}", start.elapsed(), run.summary());
}

struct Run {
    fleet: Fleet,
    alarms: Alarms,
    /// By sender: the first request that was not acknowledged when it was looked at last.
    settled: Vec<u64>,
    struck: BTreeMap<Moment, u32>,
    slowest_start: Duration,
}

impl Run {
    /// Waits until it is ready, and looks for all that was acknowledged since the last time.
    #[track_caller]
    fn wait_and_look(&mut self, victim: &mut Victim, when: &str) {
        victim.wait_ready();
        self.slowest_start = self.slowest_start.max(victim.start_took);
        let books = self.fleet.books();
        self.settled.resize(books.len(), 0);
        let mut problems = Vec::new();
        for ((author, book), settled) in books.iter().zip(&mut self.settled) {
            problems.extend(audit::acked(&victim.http, author, book, *settled));
            problems.extend(book.faults.iter().map(|fault| format!("{}: {fault}", author.sender)));
            *settled = book.settled(*settled);
        }
        match account::read(&victim.http) {
            Ok((_, accounts)) => {
                let uneven = accounts.iter().filter(|(_, account)| !account.is_even());
                problems.extend(uneven.map(|(of, account)| format!("{of:?} does not balance: {account:?}")));
            }
            Err(error) => problems.push(error),
        }
        check(&problems, when);
    }

    /// Every point of every request, the ledger, and what was told.
    #[track_caller]
    fn check_all(&self, victim: &Victim, when: &str) {
        let books = self.fleet.books();
        let mut problems = complete(victim, &books);
        let mut sent = account::of(&books);
        self.alarms.add_to(&mut sent);
        problems.extend(account::check(&victim.http, &sent));
        problems.extend(self.alarms.problems());
        check(&problems, when);
    }

    fn summary(&self) -> String {
        let books = self.fleet.books();
        let sum = |of: fn(&Book) -> u64| books.iter().map(|(_, book)| of(book)).sum::<u64>();
        let (changes, repeated) = self.alarms.counts();
        format!(
            "{} points in {} requests acknowledged, {} attempts without an answer, {} refused ({} of them without a hint), killed {:?}, slowest start {:.1?}, {changes} alarms raised or lowered ({repeated} events told again)",
            self.fleet.acked_points(),
            sum(Book::acked),
            sum(Book::unknown),
            sum(Book::refused),
            sum(|book| book.without_hint),
            self.struck,
            self.slowest_start,
        )
    }
}

#[track_caller]
fn complete(victim: &Victim, books: &[(&Author, Book)]) -> Vec<String> {
    audit::complete(&victim.http, books)
}

#[track_caller]
fn check(problems: &[String], when: &str) {
    assert!(problems.is_empty(), "{when}:\n{}", problems.join("\n"));
}
