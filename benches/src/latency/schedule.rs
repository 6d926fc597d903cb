//! Who goes over the threshold when, and back under it.

use std::time::Duration;

/// Which way a probe goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// Over the threshold: a violation fires.
    Over,
    /// Back under it: it is resolved.
    Under,
}

/// A probe goes over or under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// When it is to be sent, from the beginning.
    pub(super) at: Duration,
    pub(super) probe: usize,
    /// The value while it is over, which no other spell of any probe has. The events that tell of its beginning and its end carry it.
    pub(super) number: u64,
    pub(super) way: Way,
}

/// Probes that go over and under in turn, evenly spread over the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) probes: usize,
    /// How long a probe stays over, and how long under.
    pub(super) hold: Duration,
    /// How often each goes over.
    pub(super) spells: usize,
}

impl Schedule {
    /// As many spells as fit into a time, one at least.
    pub(super) fn within(probes: usize, hold: Duration, time: Duration) -> Self {
        let spells = (time.as_secs_f64() / (2.0 * hold.as_secs_f64())) as usize;
        Self { probes, hold, spells: spells.max(1) }
    }

    /// All changes, in the order of time.
    pub(super) fn changes(self) -> impl Iterator<Item = Change> {
        (0..2 * self.spells).flat_map(move |step| (0..self.probes).map(move |probe| self.change(probe, step)))
    }

    /// From the first change until each was held.
    pub(super) fn time(self) -> Duration {
        self.hold.mul_f64(2.0 * self.spells as f64)
    }

    /// What a probe's value is at a time, for whoever comes and looks.
    pub(super) fn value(self, probe: usize, at: Duration) -> u64 {
        let Some(since) = at.checked_sub(self.change(probe, 0).at) else { return 0 };
        let step = ((since.as_secs_f64() / self.hold.as_secs_f64()) as usize).min(2 * self.spells - 1);
        let change = self.change(probe, step);
        if change.way == Way::Over { change.number } else { 0 }
    }

    /// The change of a probe after so many others of its own.
    fn change(self, probe: usize, step: usize) -> Change {
        Change {
            at: self.hold.mul_f64(step as f64 + probe as f64 / self.probes as f64),
            probe,
            number: (step / 2 * self.probes + probe + 1) as u64,
            way: if step.is_multiple_of(2) { Way::Over } else { Way::Under },
        }
    }
}

impl Change {
    /// What is sent: over the threshold it is the number, under it nothing.
    pub(super) fn value(&self) -> u64 {
        if self.way == Way::Over { self.number } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn probes_take_turns_and_every_spell_has_a_number_of_its_own() {
        let schedule = Schedule::within(4, Duration::from_secs(2), Duration::from_secs(13));
        let changes: Vec<_> = schedule.changes().collect();
        assert_eq!((schedule.spells, changes.len(), schedule.time()), (3, 24, Duration::from_secs(12)));
        assert!(changes.windows(2).all(|pair| pair[1].at - pair[0].at == Duration::from_millis(500)));
        assert_eq!(changes.iter().map(|change| (change.number, change.way)).collect::<HashSet<_>>().len(), 24);
        let of_probe: Vec<_> = changes.iter().filter(|change| change.probe == 1).map(Change::value).collect();
        assert_eq!(of_probe, [2, 0, 6, 0, 10, 0]);
    }

    #[test]
    fn who_looks_sees_the_latest_change() {
        let schedule = Schedule { probes: 4, hold: Duration::from_secs(2), spells: 3 };
        for change in schedule.changes() {
            let [before, after] =
                [change.at.saturating_sub(Duration::from_millis(1)), change.at + Duration::from_millis(1)];
            assert_eq!(schedule.value(change.probe, after), change.value(), "{change:?}");
            if change.at > Duration::from_millis(1) {
                assert_ne!(schedule.value(change.probe, before), change.value(), "{change:?}");
            }
        }
        assert_eq!(schedule.value(3, Duration::from_secs(60)), 0);
    }
}
