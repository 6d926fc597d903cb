//! What evaluations may cost, and who is next.
//!
//! An evaluation is paid for by several times its length, and none starts while too much is owed: so rules together use a share of
//! the time, however many they are and however fast points come. The share is what the machine has to spare. Each rule's own costs are
//! counted too, and the one that has cost least goes first: a rule that takes a millisecond does not wait for thirty that take a hundred.

use std::fmt;
use std::time::Duration;

use super::EVALUATIONS_AT_ONCE;
use crate::idle::IdleCores;

/// The share of a core that rules have however busy the machine is; the rest is for taking in.
const CORES_MIN: f64 = 0.05;

/// Of what is idle rules take this part: the rest is for queries, for a load that rises, and for whoever else lives on the machine.
const SHARE_OF_IDLE: f64 = 0.1;

/// Between two looks at what is idle.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Of an evaluation that takes longer, only this much is paid for by all: the rest is between the rule and its own rest, so that a
/// slow rule holds no other up.
const SHARED_MAX: Duration = Duration::from_millis(200);

/// How far rules may run ahead of what is paid: evaluations of 200 ms together start at once when their data is there.
const CREDIT: Duration = Duration::from_millis(200);

/// What evaluations may cost. Times are on the monotonic clock.
pub(crate) struct Budget {
    idle: IdleCores,
    cores: f64,
    looked_at: Duration,
    /// What is owed of evaluations so far, as of `owed_at`: time of a core.
    owed: Duration,
    owed_at: Duration,
    /// What the rule that started last had cost until then. It never falls.
    floor: Duration,
}

impl Budget {
    pub(crate) fn new(idle: IdleCores) -> Self {
        Self {
            idle,
            cores: CORES_MIN,
            looked_at: Duration::ZERO,
            owed: Duration::ZERO,
            owed_at: Duration::ZERO,
            floor: Duration::ZERO,
        }
    }

    /// How long no evaluation may start.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        if now.saturating_sub(self.looked_at) >= LOOK_EVERY {
            self.pay(now);
            self.looked_at = now;
            self.cores = ((self.idle)() * SHARE_OF_IDLE).clamp(CORES_MIN, EVALUATIONS_AT_ONCE as f64);
        }
        self.pay(now);
        self.owed.saturating_sub(CREDIT).div_f64(self.cores)
    }

    /// What was owed is paid as time goes by.
    fn pay(&mut self, now: Duration) {
        let paid = now.saturating_sub(self.owed_at).mul_f64(self.cores);
        self.owed = self.owed.saturating_sub(paid);
        self.owed_at = self.owed_at.max(now);
    }

    /// What a rule counts as having cost when it competes with others: to have cost nothing for long is no claim to run for long.
    pub(super) fn cost(&self, spent: Duration) -> Duration {
        spent.max(self.floor)
    }

    /// An evaluation starts.
    pub(super) fn start(&mut self, spent: Duration) {
        self.floor = self.cost(spent);
    }

    /// An evaluation has ended; what its rule has cost now.
    pub(super) fn finish(&mut self, now: Duration, spent: Duration, took: Duration) -> Duration {
        self.pay(now);
        let shared = took.min(SHARED_MAX);
        self.owed += shared;
        self.cost(spent) + shared
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("cores", &self.cores).field("owed", &self.owed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Rules that always have something to do, and what an evaluation of each takes. How often each ran in a minute.
    fn minute(idle: f64, takes: &[Duration]) -> Vec<u32> {
        let mut budget = Budget::new(Arc::new(move || idle));
        let (mut spent, mut runs) = (vec![Duration::ZERO; takes.len()], vec![0; takes.len()]);
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(60) {
            let wait = budget.wait(now);
            if !wait.is_zero() {
                now += wait.max(MILLI);
                continue;
            }
            let next = (0..takes.len()).min_by_key(|&rule| (budget.cost(spent[rule]), runs[rule])).expect("rules");
            budget.start(spent[next]);
            now += takes[next];
            spent[next] = budget.finish(now, spent[next], takes[next]);
            runs[next] += 1;
        }
        runs
    }

    #[test]
    fn all_rules_together_take_their_share_of_what_is_idle() {
        for (idle, cores) in [(0.0, 0.05), (2.0, 0.2), (5.0, 0.5)] {
            let runs: u32 = minute(idle, &[MILLI * 20; 10]).iter().sum();
            let used = f64::from(runs) * 0.020 / 60.0;
            assert!((used - cores).abs() < 0.02, "{used} of a core with {idle} idle");
        }
    }

    #[test]
    fn a_short_rule_does_not_wait_for_all_the_long_ones() {
        let mut takes = vec![MILLI * 100; 30];
        takes.push(MILLI);
        let runs = minute(0.0, &takes);
        // 3 s of a core among 31: each has a tenth of a second.
        assert!(runs[30] > 60, "{runs:?}");
        assert!(runs[..30].iter().all(|&runs| runs >= 1), "{runs:?}");
    }
}
