//! What the state machine is told of one evaluation.

use flyball_model::event::Identity;
use flyball_model::{Reading, UnixNanos};

use super::inhibit::Inhibitors;
use crate::evaluate::Outcome;

/// One evaluation of a rule: all that [`RuleState::step`](super::RuleState::step) takes in.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// What it found.
    pub outcome: &'a Outcome,
    /// When it was; its steady part is not before that of the last one.
    pub at: Reading,
    /// The newest point of the tables that the rule reads, `None` where that means nothing (tables without time).
    pub sample_at: Option<UnixNanos>,
    /// What is known of the groups that the rule's query makes of its table.
    pub groups: GroupsSeen<'a>,
    /// What other rules found that this one must not fire beside; `None` where nothing does.
    pub inhibitors: Option<&'a Inhibitors>,
}

/// A look at the groups of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GroupsSeen<'a> {
    /// Nobody looked, or could not: what was known stays.
    NotLooked,
    /// The query is not one whose groups can be told apart.
    Inseparable,
    /// Each group with its newest point, as far as it has one within [`GROUPS_LOOK_BACK`](super::GROUPS_LOOK_BACK).
    Found(&'a [(Identity, UnixNanos)]),
}

impl<'a> Evaluation<'a> {
    /// An evaluation of a rule that depends on no other, and of whose groups nothing is known.
    pub fn of(outcome: &'a Outcome, at: Reading, sample_at: Option<UnixNanos>) -> Self {
        Self { outcome, at, sample_at, groups: GroupsSeen::NotLooked, inhibitors: None }
    }
}
