//! The log on a disk that loses power, fills up and refuses, against a list of what was acknowledged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flyball_model::ledger::{Entry, Ledger, Outcome, Reason, Signal};
use flyball_model::state::{Section, State, StateLog};
use flyball_model::{ManualClock, PointBatch, SeriesRef, UnixNanos};

use super::{Chance, PowerCutDisk};
use crate::worker::Worker;
use crate::{Durability, Log, NewBody, PointRun, Position, Recovery, Replayed, Ticket};

const DIR: &str = "/data";

/// What a sender knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nobody said anything before the power went.
    Unknown,
    Acknowledged,
    /// The sender was told that it was not taken; it may be there all the same.
    Refused,
}

/// A process between two power cuts.
struct Process {
    log: Log,
    worker: Worker,
    /// Bodies submitted, by their number, and what to ask of their fate.
    waiting: Vec<(u64, Ticket)>,
    /// Pieces that were put, and what to ask whether they are settled.
    unsettled: Vec<(String, u64, Ticket)>,
}

struct Simulation {
    disk: PowerCutDisk,
    chance: Chance,
    bodies: BTreeMap<u64, Fate>,
    /// What the history holds: bodies before this one need the log no more.
    in_history: u64,
    /// Where each body's record is not before.
    positions: BTreeMap<u64, Position>,
    /// Pieces that were settled.
    settled: BTreeMap<String, u64>,
    next: u64,
}

/// What a recovery gave back.
struct Back {
    process: Process,
    bodies: BTreeMap<u64, u64>,
    ledger: Arc<Ledger>,
    state: State,
    damages: Vec<crate::Damage>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self {
            disk: PowerCutDisk::new(seed),
            chance: Chance::new(seed ^ 0xabcd),
            bodies: BTreeMap::new(),
            in_history: 0,
            positions: BTreeMap::new(),
            settled: BTreeMap::new(),
            next: 0,
        }
    }

    fn start(&self) -> Option<Back> {
        let recovery = Recovery::open(Path::new(DIR), Arc::new(self.disk.clone())).ok()?;
        let mut bodies = BTreeMap::new();
        let each = |replayed: Replayed<'_>| {
            if let Replayed::Body(body, _) = replayed {
                let number = body.points.values()[0] as u64;
                assert_eq!(body.runs, [PointRun { start: 0, end: 1, ordinal: number }]);
                *bodies.entry(number).or_default() += 1;
            }
            Ok(())
        };
        let recovered = recovery.replay(Durability::Fsync, each, |_| {}).ok()?;
        let damages = recovered.damages.clone();
        let clock = Arc::new(ManualClock::new(UnixNanos(0)));
        let (log, worker, state) = Log::at_rest(recovered, Box::new(|| Ok(())), clock);
        let ledger = Arc::clone(log.ledger());
        Some(Back {
            process: Process { log, worker, waiting: Vec::new(), unsettled: Vec::new() },
            bodies,
            ledger,
            state,
            damages,
        })
    }

    fn step(&mut self, process: &mut Process) {
        match self.chance.below(10) {
            0..5 => self.submit(process),
            5 => {
                let key = format!("rule-{}", self.chance.below(3));
                self.next += 1;
                process.log.put(Section::Instances, &key, Some(self.next.to_string().into_bytes()));
                process.unsettled.push((key, self.next, process.log.settlement()));
            }
            6 => self.forget_history(process),
            _ => self.turn(process),
        }
    }

    fn submit(&mut self, process: &mut Process) {
        self.next += 1;
        let number = self.next;
        let under_way = process.log.begin();
        let mut points = PointBatch::default();
        points.push(SeriesRef(number as u32), UnixNanos(number as i64), number as f64);
        let mut entry = Entry::request("remote_write", "a", Signal::Metrics, 10, UnixNanos(0));
        entry.received = 1;
        entry.add(Outcome::Stored, Reason::None, 1);
        let runs = [PointRun { start: 0, end: 1, ordinal: number }];
        // Some are large, so that segments and sectors are crossed.
        let totals = vec![7; if self.chance.one_in(4) { self.chance.below(40_000) as usize } else { 0 }];
        let record = NewBody {
            entry: &entry,
            fingerprint: None,
            totals: &totals,
            starts: &[],
            points: &points,
            runs: &runs,
            rows: &[],
        }
        .encode();
        self.positions.insert(number, under_way.position());
        drop(under_way);
        self.bodies.insert(number, Fate::Unknown);
        process.waiting.push((number, process.log.submit(record, entry)));
    }

    fn turn(&mut self, process: &mut Process) {
        process.worker.turn();
        for (number, ticket) in std::mem::take(&mut process.waiting) {
            match ticket.now() {
                Ok(told) => {
                    let fate = if told.is_ok() { Fate::Acknowledged } else { Fate::Refused };
                    self.bodies.insert(number, fate);
                }
                Err(ticket) => process.waiting.push((number, ticket)),
            }
        }
        for (key, number, ticket) in std::mem::take(&mut process.unsettled) {
            match ticket.now() {
                Ok(told) => {
                    told.expect("nobody who is patient is refused");
                    self.settled.insert(key, number);
                }
                Err(ticket) => process.unsettled.push((key, number, ticket)),
            }
        }
    }

    /// Some of the oldest bodies went into the history: the log before the others may go after a checkpoint.
    fn forget_history(&mut self, process: &mut Process) {
        let settled = |number: &u64| self.bodies.get(number).is_none_or(|fate| *fate == Fate::Acknowledged);
        let upto = self.in_history + self.chance.below(20);
        let Some(history) = (self.in_history..=upto.min(self.next)).take_while(settled).last() else { return };
        let needed = self.positions.range(history + 1..).map(|(_, position)| *position).min();
        let before = needed.unwrap_or(process.log.needed_from()).min(process.log.needed_from());
        self.in_history = history;
        // A disk that refuses leaves the checkpoint before it, and the segments.
        let _ = process.log.checkpoint(before, |_| Ok(()));
    }

    fn check(&self, back: &Back, seed: u64) {
        assert_eq!(back.damages, [], "seed {seed}: what was durable is damaged");
        let mut stored = 0;
        for (number, fate) in &self.bodies {
            let found = back.bodies.get(number).copied().unwrap_or_default();
            assert!(found <= 1, "seed {seed}: body {number} is there {found} times");
            let is_lost = *fate == Fate::Acknowledged && *number > self.in_history && found == 0;
            assert!(!is_lost, "seed {seed}: body {number} was acknowledged and is lost");
            stored += u64::from(found == 1 || (*fate == Fate::Acknowledged && *number <= self.in_history));
        }
        // One that was refused, and was not there after a restart, may be there after the next one: the disk had kept it from everybody.
        stored += back.bodies.keys().filter(|number| !self.bodies.contains_key(number)).count() as u64;
        let balances = back.ledger.balances();
        let posted = balances.first().map_or(0, |balance| balance.outcomes[0]);
        assert!(balances.iter().all(flyball_model::ledger::Balance::is_even));
        assert_eq!(posted, stored, "seed {seed}: the ledger says other than what is there");
        for (key, least) in &self.settled {
            let found = back.state.clone().take(Section::Instances).remove(key);
            let found: u64 = found.and_then(|value| String::from_utf8(value).ok()?.parse().ok()).unwrap_or_default();
            assert!(found >= *least, "seed {seed}: {key} is {found} and was {least}");
        }
    }

    /// What is known after a restart.
    fn learn(&mut self, back: &Back) {
        for (number, fate) in &mut self.bodies {
            if *number > self.in_history {
                *fate = if back.bodies.contains_key(number) { Fate::Acknowledged } else { Fate::Refused };
            }
        }
        self.bodies.retain(|_, fate| *fate == Fate::Acknowledged);
        self.bodies.extend(back.bodies.keys().map(|&number| (number, Fate::Acknowledged)));
        let mut pieces = back.state.clone();
        self.settled = pieces
            .take(Section::Instances)
            .into_iter()
            .filter_map(|(key, value)| Some((key, String::from_utf8(value).ok()?.parse().ok()?)))
            .collect();
    }
}

fn run(seed: u64) {
    let mut simulation = Simulation::new(seed);
    for _ in 0..4 {
        let Some(mut back) = simulation.start() else { panic!("seed {seed}: the log can't be opened") };
        simulation.check(&back, seed);
        simulation.learn(&back);
        if simulation.chance.one_in(2) {
            simulation.disk.fail_one_in(5 + simulation.chance.below(40));
        }
        let steps = simulation.chance.below(60);
        let operations = simulation.chance.below(150);
        simulation.disk.cut_after(operations);
        for _ in 0..steps {
            simulation.step(&mut back.process);
        }
        simulation.disk.fail_one_in(0);
        simulation.disk.power_back();
    }
    let back = simulation.start().unwrap_or_else(|| panic!("seed {seed}: the log can't be opened"));
    simulation.check(&back, seed);
}

/// `FLYBALL_SEEDS=10000 cargo test -p flyball-log --release power_cut` runs more; `FLYBALL_SEED=N` one.
#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let number = |name: &str| option_env_number(name);
    if let Some(seed) = number("FLYBALL_SEED") {
        return run(seed);
    }
    for seed in 0..number("FLYBALL_SEEDS").unwrap_or(1000) {
        run(seed);
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to test is said by who tests")]
fn option_env_number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
