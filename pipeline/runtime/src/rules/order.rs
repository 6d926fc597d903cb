//! Who waits for whom within a round: a rule that reads a recorded metric is evaluated after the rules that record it.

use std::time::Duration;

use super::Running;

/// A rule that is out for longer is not waited for: its evaluation would have been given up, so it was lost.
const OUT_MAX: Duration = Duration::from_secs(10);

impl Running {
    /// Whether a rule reads what another one records that is due as well, or out. It has its turn then, and wakes this one.
    pub(super) fn is_held_back(&self, place: usize, now: Duration) -> bool {
        let is_awaited = |before: &usize| {
            let Some(slot) = self.slots.get(*before) else { return false };
            let is_out = slot.out_since.is_some_and(|since| now.saturating_sub(since) < OUT_MAX);
            is_out || slot.is_due(now)
        };
        self.sources.before(place).iter().any(is_awaited)
    }
}
