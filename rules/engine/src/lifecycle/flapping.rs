//! When instances changed between firing and resolved: longer than they live, so that one that comes back is known.

use std::collections::{BTreeMap, VecDeque};

use flyball_model::UnixNanos;
use flyball_model::event::Identity;

use crate::definition::Flaps;
use crate::evaluate::INSTANCES_MAX;

/// The changes of each identity within `flaps.within`, in steady time, oldest first. At most [`INSTANCES_MAX`] identities are remembered;
/// the changes of further ones are told one by one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Changes(pub(super) BTreeMap<Identity, VecDeque<UnixNanos>>);

impl Changes {
    /// Notes a change; whether there were more than `flaps.max` now.
    pub(super) fn note(&mut self, flaps: Flaps, identity: &Identity, at: UnixNanos) -> bool {
        if !self.0.contains_key(identity) {
            if self.0.len() >= INSTANCES_MAX {
                return false;
            }
            self.0.insert(identity.clone(), VecDeque::new());
        }
        let Some(changes) = self.0.get_mut(identity) else { return false };
        changes.retain(|&change| at.since(change) < flaps.within);
        changes.push_back(at);
        let too_many = changes.len() > flaps.max as usize;
        if too_many {
            // More are never asked for.
            changes.pop_front();
        }
        too_many
    }

    /// Whether one more change would be more than `flaps.max`.
    pub(super) fn is_full(&self, flaps: Flaps, identity: &Identity, at: UnixNanos) -> bool {
        let changes = self.0.get(identity);
        changes.is_some_and(|changes| {
            changes.iter().filter(|&&change| at.since(change) < flaps.within).count() >= flaps.max as usize
        })
    }

    /// Forgets identities that did not change for so long; which.
    pub(super) fn forget_old(&mut self, flaps: Flaps, at: UnixNanos) -> Vec<Identity> {
        let mut gone = Vec::new();
        self.0.retain(|identity, changes| {
            let recent = changes.back().is_some_and(|&last| at.since(last) < flaps.within);
            if !recent {
                gone.push(identity.clone());
            }
            recent
        });
        gone
    }
}
