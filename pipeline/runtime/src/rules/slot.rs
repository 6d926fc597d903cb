//! A rule's place on the stage.

use std::time::Duration;

use flyball_rules::evaluate::Reads;

use super::evaluation::Unit;

/// A rule's place: at rest with its unit, or out for an evaluation.
pub(super) struct Slot {
    pub(super) unit: Option<Unit>,
    /// How it is called by the groups that it is kept in; `None` when it is run as a plan.
    pub(super) kept: Option<u64>,
    /// What wakes it, as known after the last evaluation.
    pub(super) reads: Reads,
    /// It has something to look at: since when the first byte of it was received, where that is known.
    pub(super) woken: Option<Option<Duration>>,
    pub(super) rest_until: Duration,
    pub(super) tick_at: Duration,
    /// The place in a queue: that of the cheap ones if true.
    pub(super) queued_at: Option<(bool, Duration)>,
    /// It was evaluated before: what a first evaluation costs is the planning.
    pub(super) evaluated: bool,
    /// Since when it is out for an evaluation.
    pub(super) out_since: Option<Duration>,
    /// What it has cost, as the [`Budget`](super::Budget) counts.
    pub(super) spent: Duration,
}

impl Slot {
    pub(super) fn new(unit: Unit, now: Duration) -> Self {
        Self {
            kept: unit.evaluator.kept().map(|(_, token)| token),
            unit: Some(unit),
            reads: Reads::Any,
            woken: None,
            rest_until: now,
            tick_at: now,
            queued_at: None,
            evaluated: false,
            out_since: None,
            spent: Duration::ZERO,
        }
    }

    /// When it should be evaluated next.
    pub(super) fn due_at(&self) -> Duration {
        match self.woken {
            Some(_) => self.rest_until,
            None => self.tick_at.max(self.rest_until),
        }
    }

    /// Whether it waits for its evaluation.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.queued_at.is_some_and(|(_, due)| due <= now)
    }

    /// Whether evaluating it costs next to nothing.
    pub(super) fn is_cheap(&self) -> bool {
        self.kept.is_some() || !self.evaluated
    }
}
