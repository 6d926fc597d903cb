//! Who waits for whom within a round: a rule that reads a recorded metric is evaluated after the rules that record it.

use std::time::Duration;

use hashbrown::HashSet;

use super::Running;

/// A rule that is out for longer is not waited for: its evaluation would have been given up, so it was lost.
const OUT_MAX: Duration = Duration::from_secs(10);

impl Running {
    /// Leaves out those of the due rules that read what a rule records that is due as well, or out. It has its turn then, and wakes them.
    pub(super) fn hold_back(&self, due: &mut Vec<(Duration, usize)>, now: Duration) {
        if due.iter().all(|(_, place)| self.sources.before(*place).is_empty()) {
            return;
        }
        let are_due: HashSet<usize> = due.iter().map(|(_, place)| *place).collect();
        let is_out = |place: &usize| {
            let since = self.slots.get(*place).and_then(|slot| slot.out_since);
            since.is_some_and(|since| now.saturating_sub(since) < OUT_MAX)
        };
        due.retain(|(_, place)| {
            !self.sources.before(*place).iter().any(|before| are_due.contains(before) || is_out(before))
        });
    }
}
