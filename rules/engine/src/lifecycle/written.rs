//! What of a rule's state is written down, and what has changed since it last was.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::UnixNanos;
use flyball_model::action::ActionStep;
use flyball_model::event::Identity;
use flyball_model::state::{Piece, Section};
use serde::{Deserialize, Serialize};

use super::failing::Failing;
use super::id::{error_id, flaps_key};
use super::instance::{Instance, Told};
use super::silence::Tables;
use super::state::RuleState;
use super::transition::tell;
use crate::definition::Rule;

/// A piece of [`Section::Instances`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum WrittenPiece {
    /// An instance; its key is the violation's id.
    Instance(WrittenInstance),
    /// A rule that can't be evaluated; its key is the error's id.
    Error(WrittenError),
    /// What a rule that has instances knows of its tables.
    Tables(WrittenTables),
    /// When an identity changed between firing and resolved.
    Flaps(WrittenFlaps),
    /// What has to be said of a rule's violations once the rule itself is gone.
    Will(Will),
}

/// See [`Instance`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenInstance {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) identity: Identity,
    pub(super) active_at: UnixNanos,
    pub(super) waits_since: UnixNanos,
    pub(super) fired_at: Option<UnixNanos>,
    pub(super) absent_since: Option<UnixNanos>,
    #[serde(with = "flyball_model::exact")]
    pub(super) values: BTreeMap<String, f64>,
    /// While its row is there that of the rule's tables holds, if it is newer: it is written once for all instances.
    pub(super) tables_at: Option<UnixNanos>,
    pub(super) here: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) silent_at: Option<UnixNanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) calm_since: Option<UnixNanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<String>,
    #[serde(default)]
    pub(super) told: Option<Told>,
    #[serde(default)]
    pub(super) tellings: [u32; 2],
}

/// Since when, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenError {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) active_at: UnixNanos,
    /// Earlier versions told every error at once.
    #[serde(default = "long_ago")]
    pub(super) waits_since: UnixNanos,
    pub(super) message: String,
    #[serde(default = "yes")]
    pub(super) told: bool,
}

fn long_ago() -> UnixNanos {
    UnixNanos::MIN
}

fn yes() -> bool {
    true
}

/// In steady time, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenFlaps {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) identity: Identity,
    pub(super) at: Vec<UnixNanos>,
}

/// Their newest point, and since when there is none newer, in steady time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenTables {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) newest: Option<UnixNanos>,
    pub(super) seen: Option<UnixNanos>,
    pub(super) silent_since: UnixNanos,
}

/// Whom a rule tells, and how grave it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Will {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) severity: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) steps: Vec<ActionStep>,
}

/// Pieces to be put. Those of one violation must be put together with what follows from its transition, or a crash between the two
/// loses an event or tells it twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Before everything else.
    pub first: Vec<Piece>,
    /// By the violation's id.
    pub violations: BTreeMap<String, Vec<Piece>>,
    /// After everything else.
    pub last: Vec<Piece>,
}

impl Changes {
    /// All of them, when no transitions go with them.
    pub fn into_pieces(self) -> impl Iterator<Item = Piece> {
        self.first.into_iter().chain(self.violations.into_values().flatten()).chain(self.last)
    }
}

impl Changes {
    fn of(&mut self, violation: &str, piece: Piece) {
        self.violations.entry(violation.to_owned()).or_default().push(piece);
    }
}

/// What stands in the log of this state, as far as that matters, and what has to be brought up to date.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Written {
    pub(super) ended: Vec<String>,
    /// What ended without a word.
    pub(super) vanished: Vec<String>,
    pub(super) changed: BTreeSet<Identity>,
    /// Identities that changed between firing and resolved, by the violation that did.
    pub(super) flapped: Vec<(String, Identity)>,
    /// Identities whose changes are forgotten.
    pub(super) calm: Vec<Identity>,
    pub(super) error: Option<Failing>,
    pub(super) tables: Option<Tables>,
    pub(super) will: bool,
}

impl Written {
    /// A violation is over; whether that is told.
    pub(super) fn ended(&mut self, id: &str, told: bool) {
        if told { &mut self.ended } else { &mut self.vanished }.push(id.to_owned());
    }

    pub(super) fn flapped(&mut self, id: &str, identity: &Identity) {
        self.flapped.push((id.to_owned(), identity.clone()));
    }

    pub(super) fn changed(&mut self, identity: &Identity) {
        if !self.changed.contains(identity) {
            self.changed.insert(identity.clone());
        }
    }
}

impl RuleState {
    /// What has to be written down since the last call. A rule that has neither instances nor an error leaves nothing behind.
    pub fn take_changes(&mut self, rule: &Rule) -> Changes {
        let mut changes = Changes::default();
        // Before everything else: another violation of the same identity may begin in the same evaluation, and there is one at a time.
        let vanished = self.written.vanished.drain(..);
        changes.first.extend(vanished.map(|id| Piece::forget(Section::Instances, id)));
        for id in self.written.ended.drain(..) {
            changes.of(&id.clone(), Piece::forget(Section::Instances, id));
        }
        for identity in std::mem::take(&mut self.written.changed) {
            if let Some(instance) = self.instances.get(&identity) {
                let piece = piece(instance.id.clone(), &self.instance_piece(identity, instance));
                changes.of(&instance.id, piece);
            }
        }
        for (id, identity) in std::mem::take(&mut self.written.flapped) {
            if let Some(at) = self.flaps.0.get(&identity) {
                let at = at.iter().copied().collect();
                let (rule, version) = (self.rule.clone(), self.version.clone());
                let key = flaps_key(&version, &rule, &identity);
                changes.of(&id, piece(key, &WrittenPiece::Flaps(WrittenFlaps { rule, version, identity, at })));
            }
        }
        let calm = std::mem::take(&mut self.written.calm);
        let calm: Vec<Piece> = calm.iter().map(|identity| self.forget_flaps(identity)).collect();
        if self.written.error != self.error {
            let id = |failing: &Failing| error_id(&self.version, &self.rule, failing.active_at);
            if let Some(over) = &self.written.error {
                changes.of(&id(over), Piece::forget(Section::Instances, id(over)));
            }
            if let Some(failing) = &self.error {
                changes.of(&id(failing), piece(id(failing), &self.error_piece(failing)));
            }
            self.written.error.clone_from(&self.error);
        }
        if self.instances.is_empty() && self.error.is_none() {
            changes.last = self.forget_rule();
            changes.last.extend(calm);
            return changes;
        }
        changes.last.extend(calm);
        if !self.written.will {
            changes.first.push(piece(self.key("will"), &will(rule)));
            self.written.will = true;
        }
        if !self.instances.is_empty() && self.written.tables != Some(self.tables) {
            // After the instances: while those that were not written yet are as before, so is what they have in common.
            changes.last.push(piece(self.key("tables"), &self.tables_piece()));
            self.written.tables = Some(self.tables);
        }
        changes
    }

    /// What has to be written down when the state is given up.
    pub fn forget(mut self) -> Changes {
        let mut changes = Changes::default();
        let written = &mut self.written;
        let ended: Vec<String> = written.ended.drain(..).chain(written.vanished.drain(..)).collect();
        let instances = self.instances.values().map(|instance| instance.id.clone());
        let error = self.written.error.iter().chain(&self.error);
        let error = error.map(|failing| error_id(&self.version, &self.rule, failing.active_at));
        for id in instances.chain(error).chain(ended) {
            changes.of(&id.clone(), Piece::forget(Section::Instances, id));
        }
        changes.last = self.forget_rule();
        let (flaps, calm) = (std::mem::take(&mut self.flaps), std::mem::take(&mut self.written.calm));
        changes.last.extend(flaps.0.keys().chain(&calm).map(|identity| self.forget_flaps(identity)));
        changes
    }

    fn forget_rule(&mut self) -> Vec<Piece> {
        let (will, tables) = (std::mem::take(&mut self.written.will), self.written.tables.take().is_some());
        let keys = tables.then(|| self.key("tables")).into_iter().chain(will.then(|| self.key("will")));
        keys.map(|key| Piece::forget(Section::Instances, key)).collect()
    }

    fn forget_flaps(&self, identity: &Identity) -> Piece {
        Piece::forget(Section::Instances, flaps_key(&self.version, &self.rule, identity))
    }

    /// A key that no violation's id can be.
    fn key(&self, what: &str) -> String {
        format!("{what}:{}:{}", self.version, self.rule)
    }

    fn instance_piece(&self, identity: Identity, instance: &Instance) -> WrittenPiece {
        WrittenPiece::Instance(WrittenInstance {
            rule: self.rule.clone(),
            version: self.version.clone(),
            identity,
            active_at: instance.active_at,
            waits_since: instance.waits_since,
            fired_at: instance.fired_at,
            absent_since: instance.absent_since,
            values: instance.values.clone(),
            tables_at: instance.tables_at,
            here: instance.here,
            silent_at: instance.silent_at,
            calm_since: instance.calm_since,
            severity: instance.severity.clone(),
            told: instance.told.clone(),
            tellings: instance.tellings,
        })
    }

    fn error_piece(&self, failing: &Failing) -> WrittenPiece {
        WrittenPiece::Error(WrittenError {
            rule: self.rule.clone(),
            version: self.version.clone(),
            active_at: failing.active_at,
            waits_since: failing.waits_since,
            message: failing.message.clone(),
            told: failing.told,
        })
    }

    fn tables_piece(&self) -> WrittenPiece {
        WrittenPiece::Tables(WrittenTables {
            rule: self.rule.clone(),
            version: self.version.clone(),
            newest: self.tables.newest,
            seen: self.tables.seen,
            silent_since: self.tables.silent_since,
        })
    }
}

fn piece(key: String, written: &WrittenPiece) -> Piece {
    Piece::json(Section::Instances, key, written)
}

fn will(rule: &Rule) -> WrittenPiece {
    WrittenPiece::Will(Will {
        rule: rule.name.clone(),
        version: rule.version.clone(),
        severity: rule.severity.clone(),
        labels: rule.labels.clone(),
        steps: rule.remediate.iter().map(tell).collect(),
    })
}
