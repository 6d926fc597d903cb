//! The real log, put through the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use flyball_model::ledger::{Entry, Reason, Signal};
use flyball_model::state::{Section, StateLog};
use flyball_model::{ManualClock, UnixNanos};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use super::bodies::{Parts, Spec};
use super::reference::{Answer, Doing, End, Reference, Step, Trouble, What};
use super::verdict::Back;
use crate::simulation::PowerCutDisk;
use crate::worker::Worker;
use crate::{Durability, Log, LogError, Position, Recovery, Replayed, Ticket};

const DIR: &str = "/data";

/// The log of one process after the other, and what was learned of it.
pub(super) struct System {
    disk: PowerCutDisk,
    durability: Durability,
    log: Log,
    worker: Worker,
    /// Records whose submitters wait, by number.
    waiting: Vec<(usize, Ticket)>,
    /// Who was told what: whether it is durable.
    pub(super) answers: BTreeMap<usize, bool>,
    /// No body stands before this, by number.
    pub(super) begun_at: BTreeMap<usize, Position>,
    /// Bodies that a restart brought back, and where they stand.
    pub(super) seen: BTreeMap<usize, Position>,
    /// Bodies that a restart did not bring back.
    pub(super) gone: BTreeSet<usize>,
    /// How far the log was last known to be good.
    pub(super) end: Position,
    /// Checkpoints tried and done, counted together, and what the last one that was done let go.
    pub(super) tried: u64,
    pub(super) done: u64,
    pub(super) needed: Position,
}

/// Opens the log, and gives it with all that it brought back.
fn open(disk: &PowerCutDisk, durability: Durability) -> Result<(Log, Worker, Back), LogError> {
    let (mut bodies, mut totals) = (Vec::new(), Vec::new());
    let each = |replayed: Replayed<'_>| {
        match replayed {
            Replayed::Body(body, position) => bodies.push((position, Parts::of(*body))),
            Replayed::Totals(number) => totals.push(number.to_vec()),
            other => panic!("nobody put {other:?}"),
        }
        Ok(())
    };
    let recovered = Recovery::open(Path::new(DIR), Arc::new(disk.clone()))?.replay(durability, each, |_| {})?;
    let damages = recovered.damages.clone();
    let clock = Arc::new(ManualClock::new(UnixNanos(0)));
    let (log, worker, state) = Log::at_rest(recovered, Box::new(|| Ok(())), clock);
    let back = Back { bodies, totals, damages, ledger: Arc::clone(log.ledger()), state, end: log.end() };
    Ok((log, worker, back))
}

impl System {
    fn append(&mut self, number: usize, what: &What) {
        match what {
            What::Body(spec) => self.submit(number, spec, |_, _| {}),
            What::Refusal { is_note } => {
                let entry = Entry::request("otlp_http", "10.0.0.7", Signal::Metrics, 10, UnixNanos(number as i64));
                let entry = entry.refused(Reason::TooOld);
                if *is_note {
                    self.log.note(entry);
                } else {
                    self.waiting.push((number, self.log.post(entry)));
                }
            }
        }
    }

    /// Submits a body, and does something while it is under way.
    fn submit(&mut self, number: usize, spec: &Spec, meanwhile: impl FnOnce(&Log, Position)) {
        let under_way = self.log.begin();
        let position = under_way.position();
        meanwhile(&self.log, position);
        let ticket = self.log.submit(spec.parts(number).record(), spec.entry(number));
        drop(under_way);
        self.begun_at.insert(number, position);
        self.waiting.push((number, ticket));
    }

    /// The log's thread has its turn: twice, since one that was refused first tries the same again.
    fn turn(&mut self) {
        self.worker.turn();
        self.worker.turn();
        self.hear();
        self.end = self.log.end();
    }

    fn hear(&mut self) {
        for (number, ticket) in std::mem::take(&mut self.waiting) {
            match ticket.now() {
                Ok(told) => drop(self.answers.insert(number, told.is_ok())),
                Err(ticket) => self.waiting.push((number, ticket)),
            }
        }
    }

    /// From where on the log is needed for what is not in the history. A body of which it is not known where it stands may be anywhere
    /// behind where it began.
    fn needed_from(&self, released: usize) -> Position {
        let bodies = self.begun_at.range(released..).map(|(_, position)| *position);
        bodies.min().map_or(self.log.needed_from(), |position| position.min(self.log.needed_from()))
    }

    fn checkpoint(&mut self, released: usize) -> Result<(), LogError> {
        self.tried += 1;
        let (number, before) = (self.tried, self.needed_from(released));
        self.log.checkpoint(before, |checkpoint| checkpoint.totals(&number.to_le_bytes()))?;
        (self.done, self.needed) = (number, before);
        Ok(())
    }

    fn checkpoint_while(&mut self, released: usize, number: usize, spec: &Spec) {
        self.tried += 1;
        let (checkpoint, before) = (self.tried, self.needed_from(released));
        self.submit(number, spec, |log, _| {
            let before = before.min(log.needed_from());
            log.checkpoint(before, |writer| writer.totals(&checkpoint.to_le_bytes())).expect("a good disk");
        });
        (self.done, self.needed) = (checkpoint, before);
    }

    fn end(&mut self, end: &End, reference: &Reference) {
        match end {
            End::Stop => {
                self.log.stop();
                while self.worker.turn() {}
                self.hear();
                self.end = self.log.end();
            }
            End::Kill => {}
            End::PowerCut { doing, after, again } => {
                self.disk.cut_after(*after);
                if let Doing::Checkpoint { .. } = doing {
                    // The power may have gone before it was done.
                    let _ = self.checkpoint(reference.released);
                }
                if !matches!(doing, Doing::Nothing) {
                    self.turn();
                }
                self.disk.power_back();
                if let Some(after) = again {
                    self.disk.cut_after(*after);
                    // Whatever it came to, the next one must go well.
                    let _ = open(&self.disk, self.durability);
                    self.disk.power_back();
                }
            }
        }
        self.waiting.clear();
        let (log, worker, back) = open(&self.disk, self.durability).expect("a good disk");
        (self.log, self.worker) = (log, worker);
        back.check(self, reference, matches!(end, End::PowerCut { .. }));
    }
}

/// The test.
pub(super) struct LogTest;

impl StateMachineTest for LogTest {
    type SystemUnderTest = System;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> System {
        let disk = PowerCutDisk::new(reference.seed);
        let (log, worker, _) = open(&disk, reference.durability).expect("a good disk");
        System {
            disk,
            durability: reference.durability,
            log,
            worker,
            waiting: Vec::new(),
            answers: BTreeMap::new(),
            begun_at: BTreeMap::new(),
            seen: BTreeMap::new(),
            gone: BTreeSet::new(),
            end: Position::default(),
            tried: 0,
            done: 0,
            needed: Position::default(),
        }
    }

    fn apply(mut system: System, reference: &Reference, step: Step) -> System {
        let newest = reference.records.len().wrapping_sub(1);
        match &step {
            Step::Append(what) => system.append(newest, what),
            Step::Put { key, .. } => {
                let value = reference.puts[*key].last().and_then(|(value, _)| *value);
                system.log.put(Section::Limits, &key.to_string(), value.map(|value| value.to_string().into_bytes()));
            }
            Step::Sync => system.turn(),
            Step::Refused { one_in } => {
                system.disk.fail_one_in(*one_in);
                system.turn();
                system.disk.fail_one_in(0);
            }
            Step::Checkpoint { meanwhile: Some(spec), .. } => {
                system.checkpoint_while(reference.released, newest, spec);
            }
            Step::Checkpoint { meanwhile: None, .. } => system.checkpoint(reference.released).expect("a good disk"),
            Step::Restart(end) => system.end(end, reference),
        }
        system
    }

    fn check_invariants(system: &System, reference: &Reference) {
        for (number, record) in reference.records.iter().enumerate().filter(|(_, record)| record.what.has_waiter()) {
            let told = system.answers.get(&number).copied();
            match record.answer {
                Answer::None => assert_eq!(told, None, "{number}"),
                Answer::Durable => assert_eq!(told, Some(true), "{number}"),
                Answer::Refused => assert_eq!(told, Some(false), "{number}"),
                Answer::Any => {}
            }
        }
        match reference.trouble {
            Trouble::No => assert_eq!(system.log.trouble(), None),
            Trouble::Yes => assert!(system.log.trouble().is_some()),
            Trouble::Any => {}
        }
    }

    /// In the end all is written, and the power goes.
    fn teardown(system: System, reference: Reference) {
        let cut = End::PowerCut { doing: Doing::Nothing, after: 0, again: None };
        let last = [Step::Sync, Step::Checkpoint { release: 1, meanwhile: None }, Step::Sync, Step::Restart(cut)];
        last.into_iter().fold((system, reference), |(system, reference), step| {
            let reference = Reference::apply(reference, &step);
            let system = Self::apply(system, &reference, step);
            Self::check_invariants(&system, &reference);
            (system, reference)
        });
    }
}
