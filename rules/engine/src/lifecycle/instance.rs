//! One thing that breaks a promise, as long as it is remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::event::{Identity, State};
use flyball_model::{Reading, UnixNanos};
use serde::{Deserialize, Serialize};

use super::flapping::Changes;
use super::id::violation_id;
use super::silence::{GROUP_GONE_AFTER, Silence};
use crate::definition::{NoDataPolicy, Rule};
use crate::evaluate::Row;

/// A violation that is pending, firing or without data.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The violation's id.
    pub id: String,
    /// The evaluation at which its row first appeared, or at which it was found to be without data.
    pub active_at: UnixNanos,
    /// The same in steady time: since when it waits to fire.
    pub waits_since: UnixNanos,
    /// The evaluation at which it fired; `None` while it is pending.
    pub fired_at: Option<UnixNanos>,
    /// The first evaluation since which its row has been gone, in steady time; `None` while the row is there.
    pub absent_since: Option<UnixNanos>,
    /// The evaluation at which it was found to be without data, under `no_data: fire`; `None` while it is not.
    pub silent_at: Option<UnixNanos>,
    /// While it is flapping: since when its row has neither come nor gone, in steady time.
    pub calm_since: Option<UnixNanos>,
    /// The numbers of its row when it was last there.
    pub values: BTreeMap<String, f64>,
    /// The severity of its row when it was last there, if the row has one.
    pub severity: Option<String>,
    /// The newest point of the rule's tables when its row was last there.
    pub tables_at: Option<UnixNanos>,
    /// What was told of it last; `None` while nothing was.
    pub told: Option<Told>,
    /// How often it was told as firing, and as without data.
    pub(super) tellings: [u32; 2],
    /// Whether its row was there at the latest evaluation that gave rows; then `tables_at` is the newest point of that evaluation.
    pub(super) here: bool,
}

/// What is worth being told anew when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its state.
    pub state: State,
    /// Its severity.
    pub severity: String,
    /// Whether it is flapping.
    pub flapping: bool,
}

impl Instance {
    pub(super) fn new(rule: &Rule, identity: &Identity, at: Reading) -> Self {
        Self {
            id: violation_id(&rule.version, &rule.name, identity, at.now),
            active_at: at.now,
            waits_since: at.steady,
            fired_at: None,
            absent_since: None,
            silent_at: None,
            calm_since: None,
            values: BTreeMap::new(),
            severity: None,
            tables_at: None,
            told: None,
            tellings: [0; 2],
            here: false,
        }
    }

    /// [`State::Pending`], [`State::Firing`] or [`State::NoData`].
    pub fn state(&self) -> State {
        match (self.silent_at, self.fired_at) {
            (Some(_), _) => State::NoData,
            (None, Some(_)) => State::Firing,
            (None, None) => State::Pending,
        }
    }

    /// Its row's severity, or else the rule's.
    pub fn severity<'a>(&'a self, rule: &'a Rule) -> &'a str {
        self.severity.as_deref().unwrap_or(&rule.severity)
    }

    /// Whether somebody was told that it fires or is without data, and so has to hear when it is over.
    pub(super) fn is_open(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.state != State::Pending)
    }

    /// Whether its row coming back ends it: it never fired, and what was told of it is that there is no data.
    pub(super) fn ends_with_data(&self) -> bool {
        self.silent_at.is_some() && self.fired_at.is_none()
    }

    /// Its row is there. It does not fire while it is held back, and then as soon as it is not, if it has waited long enough.
    pub(super) fn present(&mut self, rule: &Rule, row: &Row, world: &mut World<'_>) -> Changed {
        let at = world.at;
        let came = !self.here || self.absent_since.is_some() || self.silent_at.is_some();
        let differs = self.values != row.values || self.severity != row.severity;
        if differs {
            self.values.clone_from(&row.values);
            self.severity.clone_from(&row.severity);
        }
        let fires = self.fired_at.is_none() && !world.held_back && at.steady.since(self.waits_since) >= rule.for_;
        if fires {
            // The clock may have been set back since; nothing fires before it began.
            self.fired_at = Some(at.now.max(self.active_at));
        }
        let mut calmed = false;
        if let Some(flaps) = rule.flaps {
            if fires && world.changes.note(flaps, world.identity, at.steady) {
                self.calm_since = Some(at.steady);
            } else if let Some(calm_since) = self.calm_since {
                if self.absent_since.is_some() {
                    self.calm_since = Some(at.steady);
                } else if at.steady.since(calm_since) >= flaps.within {
                    (self.calm_since, calmed) = (None, true);
                }
            }
        }
        (self.absent_since, self.silent_at) = (None, None);
        self.tables_at = world.newest;
        self.here = true;
        Changed { is: came || differs || fires || calmed, flapped: fires && rule.flaps.is_some() }
    }

    /// Its row is gone at a time at which that ends nothing.
    pub(super) fn missed(&mut self) -> Changed {
        Changed { is: std::mem::take(&mut self.here), flapped: false }
    }

    /// Its row is gone; whether it is over now.
    pub(super) fn absent(&mut self, rule: &Rule, world: &mut World<'_>) -> Absence {
        let at = world.at;
        let left = std::mem::take(&mut self.here);
        if self.is_held_by_silence(rule, world) {
            let falls_silent = self.falls_silent(rule, world);
            return Absence { changed: Changed { is: left || falls_silent, flapped: false }, over: false };
        }
        let first = self.absent_since.is_none();
        let since = *self.absent_since.get_or_insert(at.steady);
        if first && self.calm_since.is_some() {
            self.calm_since = Some(at.steady);
        }
        let keep = if self.fired_at.is_some() { rule.keep_firing_for } else { Duration::ZERO };
        // Data is back and the row is not: whatever was told of silence is over.
        let mut over = self.silent_at.is_some() || at.steady.since(since) >= keep;
        let (mut changed, mut flapped) = (left || first, false);
        if let (true, Some(flaps), Some(_)) = (over, rule.flaps, self.fired_at) {
            match self.calm_since {
                Some(calm_since) => over = at.steady.since(calm_since) >= flaps.within,
                None if world.changes.is_full(flaps, world.identity, at.steady) => {
                    (self.calm_since, self.silent_at) = (Some(since), None);
                    (over, changed) = (false, true);
                }
                None => {}
            }
            if over {
                world.changes.note(flaps, world.identity, at.steady);
                flapped = true;
            }
        }
        Absence { changed: Changed { is: changed, flapped }, over }
    }

    /// Whether the row is gone only because time passed and nothing was measured, which proves nothing.
    fn is_held_by_silence(&self, rule: &Rule, world: &World<'_>) -> bool {
        let (Some(no_data), Some(silence), Some(seen)) = (rule.no_data, world.silence, self.tables_at) else {
            return false;
        };
        silence.newest <= seen
            && match no_data.policy {
                NoDataPolicy::Keep => true,
                NoDataPolicy::Resolve => world.at.steady.since(silence.since) < no_data.after,
                NoDataPolicy::Fire => {
                    !world.by_group || self.silent_at.is_none_or(|at| world.at.now.since(at) < GROUP_GONE_AFTER)
                }
            }
    }

    /// Under `no_data: fire` what is held by silence is without data once that has lasted.
    fn falls_silent(&mut self, rule: &Rule, world: &World<'_>) -> bool {
        let (Some(no_data), Some(silence)) = (rule.no_data, world.silence) else { return false };
        let falls = no_data.policy == NoDataPolicy::Fire
            && self.silent_at.is_none()
            && !world.held_back
            && world.at.steady.since(silence.since) >= no_data.after;
        if falls {
            self.silent_at = Some(world.at.now.max(self.active_at));
        }
        falls
    }

    /// What has to be told of it now, if anything, and how often the like was told before. While it is held back nothing is; that its row
    /// is still pending is told once.
    pub(super) fn news(&mut self, rule: &Rule, held_back: bool) -> Option<(State, u32)> {
        let (state, flapping) = (self.state(), self.calm_since.is_some());
        let severity = self.severity(rule);
        let is_news = self.told.as_ref().is_none_or(|told| {
            state != State::Pending
                && (told.state, told.flapping, told.severity.as_str()) != (state, flapping, severity)
        });
        if held_back || !is_news {
            return None;
        }
        self.told = Some(Told { state, severity: severity.to_owned(), flapping });
        let times = match state {
            State::Firing => &mut self.tellings[0],
            State::NoData => &mut self.tellings[1],
            State::Pending | State::Resolved | State::Error => return Some((state, 0)),
        };
        let before = *times;
        *times = times.saturating_add(1);
        Some((state, before))
    }
}

/// What an instance has to know of everything else.
pub(super) struct World<'a> {
    pub(super) at: Reading,
    pub(super) identity: &'a Identity,
    /// The newest point of the rule's tables.
    pub(super) newest: Option<UnixNanos>,
    /// The silence of its group where groups are known, else of the tables; `None` where that means nothing.
    pub(super) silence: Option<Silence>,
    /// Whether `silence` is that of its group.
    pub(super) by_group: bool,
    /// Whether another rule's instance holds it back.
    pub(super) held_back: bool,
    pub(super) changes: &'a mut Changes,
}

/// What is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    /// The instance.
    pub(super) is: bool,
    /// When it changed between firing and resolved.
    pub(super) flapped: bool,
}

/// What a row that is gone did to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Absence {
    pub(super) changed: Changed,
    pub(super) over: bool,
}
