//! Since when there is nothing new: in the tables that a rule reads, and in each of the groups that its query makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::event::Identity;
use flyball_model::{Reading, UnixNanos};

use super::evaluation::GroupsSeen;
use crate::definition::{NoData, NoDataPolicy, Rule};
use crate::evaluate::{INSTANCES_MAX, Row};

/// How far a look at groups reaches back. A group without a point for longer is not found by it, and known only if it was before.
pub const GROUPS_LOOK_BACK: Duration = Duration::from_secs(3600);

/// A group that has been silent for so long was taken away on purpose: it is forgotten, and what was told of it resolves.
pub(super) const GROUP_GONE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Between two looks at groups: a quarter of `no_data_after` within these bounds.
const LOOK_EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// What the tables that a rule reads tell of silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tables {
    /// Their newest point at the latest evaluation that gave rows; `None` where that means nothing.
    pub(super) newest: Option<UnixNanos>,
    /// The newest point that any evaluation has seen, one that failed too.
    pub(super) seen: Option<UnixNanos>,
    /// When an evaluation first saw that point, in steady time: since then there is silence.
    pub(super) silent_since: UnixNanos,
}

impl Tables {
    /// What an evaluation saw, whatever it gave.
    ///
    /// The first one can't know how long a point has been there, and believes the point's own time. Later ones don't: after a jump of the
    /// clock a point that has just come looks old, and silence would seem to last long already.
    pub(super) fn see(&mut self, newest: Option<UnixNanos>, at: Reading) {
        let Some(point) = newest.filter(|_| newest > self.seen) else { return };
        let age = if self.seen.is_none() { at.now.since(point) } else { Duration::ZERO };
        self.silent_since = at.steady.minus(age);
        self.seen = newest;
    }

    /// Since when nothing is newer; `None` where that means nothing.
    pub(super) fn silence(&self) -> Option<Silence> {
        self.newest.map(|newest| Silence { newest, since: self.silent_since })
    }
}

/// The newest point that concerns an instance, and since when there is none newer, in steady time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) newest: UnixNanos,
    pub(super) since: UnixNanos,
}

/// The groups of a rule, as far as they can be told apart. They are not written down: the first look after a start finds them again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Groups {
    known: BTreeMap<Identity, Silence>,
    /// The latest look, in steady time; `None` while groups can't be told apart.
    looked_at: Option<UnixNanos>,
    /// The latest time it was tried.
    tried_at: Option<UnixNanos>,
    /// A row was found that belongs to none of them.
    are_wrong: bool,
}

impl Groups {
    /// Whether it is time for a look.
    pub(super) fn is_due(&self, no_data: NoData, at: Reading) -> bool {
        let every = (no_data.after / 4).clamp(LOOK_EVERY[0], LOOK_EVERY[1]);
        !self.are_wrong && self.tried_at.is_none_or(|tried| at.steady.since(tried) >= every)
    }

    /// Takes in a look. Rows that belong to no group say that the groups are not those of the rule, and so they are not asked again.
    pub(super) fn see(&mut self, seen: GroupsSeen<'_>, rows: &[Row], at: Reading) {
        let found = match seen {
            GroupsSeen::NotLooked => return,
            GroupsSeen::Inseparable => return *self = Self { tried_at: Some(at.steady), ..Self::default() },
            GroupsSeen::Found(_) if self.are_wrong => return,
            GroupsSeen::Found(found) => found,
        };
        self.tried_at = Some(at.steady);
        let first = !self.are_known();
        let mut room = INSTANCES_MAX.saturating_sub(self.known.len());
        for (identity, newest) in found {
            match self.known.get_mut(identity) {
                Some(known) if known.newest >= *newest => {}
                Some(known) => *known = Silence { newest: *newest, since: at.steady },
                None if room > 0 => {
                    room -= 1;
                    // See `Tables::see`.
                    let age = if first { at.now.since(*newest) } else { Duration::ZERO };
                    self.known.insert(identity.clone(), Silence { newest: *newest, since: at.steady.minus(age) });
                }
                None => {}
            }
        }
        self.known.retain(|_, known| at.steady.since(known.since) < GROUP_GONE_AFTER);
        let is_full = self.known.len() >= INSTANCES_MAX;
        if is_full || rows.iter().all(|row| self.known.contains_key(&row.identity)) {
            self.looked_at = Some(at.steady);
        } else {
            *self = Self { are_wrong: true, tried_at: Some(at.steady), ..Self::default() };
        }
    }

    /// Whether groups can be told apart.
    pub(super) fn are_known(&self) -> bool {
        self.looked_at.is_some()
    }

    /// What is known of one; one that no look found has been silent for as long as a look reaches back.
    pub(super) fn silence_of(&self, identity: &Identity, at: Reading) -> Silence {
        let unseen = Silence { newest: UnixNanos::MIN, since: at.steady.minus(GROUPS_LOOK_BACK) };
        self.known.get(identity).copied().unwrap_or(unseen)
    }

    /// Those that have been silent for at least so long.
    pub(super) fn silent_for(&self, after: Duration, at: Reading) -> impl Iterator<Item = (&Identity, Silence)> {
        self.known
            .iter()
            .filter(move |(_, known)| at.steady.since(known.since) >= after)
            .map(|(identity, known)| (identity, *known))
    }
}

/// What `no_data` says of a rule with that policy.
pub(super) fn fires_without_data(rule: &Rule) -> Option<NoData> {
    rule.no_data.filter(|no_data| no_data.policy == NoDataPolicy::Fire)
}
