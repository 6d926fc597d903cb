//! What came of an overload.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::crowd::Crowd;
use crate::pace::Tally;

/// `limits.memory` as flyball has it by default, in megabytes.
const MEMORY_MEGABYTES: f64 = 1024.0 * 1024.0 * 1024.0 / 1e6;

/// What is let in must be answered within this, 99 times of 100.
const ANSWER_MILLIS: f64 = 250.0;

/// How long it may take to be as before once the load is gone.
const RECOVERY: Duration = Duration::from_secs(5);

/// So much of what was to be sent must have been at hand in time.
const AT_HAND_MIN: f64 = 0.9;

/// All that was seen.
pub(super) struct Outcome {
    /// Bodies a second that flyball keeps in a closed loop.
    pub(super) pace: f64,
    /// Bodies a second that must have been at hand, or it was no such overload. `None` where the generator shares the cores, and can't.
    pub(super) wanted: Option<f64>,
    /// Cores that flyball used while more was sent.
    pub(super) cores: f64,
    /// How long more was sent.
    pub(super) time: Duration,
    /// What became of it.
    pub(super) loaded: Tally,
    /// What became of the usual load before.
    pub(super) calm: Tally,
    /// What the quiet sender met before, and meanwhile.
    pub(super) quiet_calm: Tally,
    pub(super) meanwhile: Tally,
    pub(super) crowd: Arc<Crowd>,
    /// Bodies of the whole run that were refused without a hint when to come again, and those that were for good.
    pub(super) hintless: u64,
    pub(super) refused: u64,
    /// Mean and peak in megabytes.
    pub(super) rss: (f64, f64),
    /// How long after its end all was as before.
    pub(super) recovered: Option<Duration>,
    /// What the ledger says.
    pub(super) honest: Result<String>,
}

impl Outcome {
    /// A table of Markdown.
    pub(super) fn table(&self) -> String {
        let Self { pace, cores, time, loaded, calm, quiet_calm, meanwhile, crowd, rss, recovered, honest, .. } = self;
        let (sent, at_hand) = (loaded.offered(*time), self.at_hand());
        let times = |tally: &Tally| format!("p50 {:.0} ms, p99 {:.0} ms", tally.millis(0.5), tally.millis(0.99));
        let quiet = |tally: &Tally| format!("{} of {} let in; {}", tally.taken(), tally.asked(), times(tally));
        let rows = [
            ("pace", format!("{pace:.0} bodies a second in a closed loop")),
            ("at hand to be sent", format!("{at_hand:.0} bodies a second, {:.1} times its pace", at_hand / pace)),
            ("sent", format!("{sent:.0} a second; for the others all connections waited for an answer")),
            ("let in", format!("{} bodies, {:.2} of its pace; {}", loaded.taken(), self.share(), times(loaded))),
            ("told to come again", format!("{} with a hint, {} without", loaded.not_now_hint, loaded.not_now)),
            ("broken off", loaded.broken.to_string()),
            ("refused for good", loaded.refused.to_string()),
            ("half of its pace before", format!("{} of {} let in; {}", calm.taken(), calm.asked(), times(calm))),
            ("the quiet sender", quiet(meanwhile)),
            ("the same before", quiet(quiet_calm)),
            ("the crowd", crowd.to_string()),
            ("CPU", format!("{cores:.2} cores")),
            ("memory", format!("{:.0} MB in the mean, peak {:.0} MB of {MEMORY_MEGABYTES:.0}", rss.0, rss.1)),
            ("as before after", recovered.map_or("never".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()))),
            ("ledger", honest.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone)),
        ];
        let rows = rows.map(|(what, value)| format!("| {what} | {value} |\n")).concat();
        format!("| overload | |\n|---|---|\n{rows}")
    }

    /// Bodies a second that were to be sent, be there a connection for them or not: that flyball lets connections wait is its answer to
    /// some of them.
    fn at_hand(&self) -> f64 {
        self.loaded.offered(self.time) + self.loaded.skipped as f64 / self.time.as_secs_f64()
    }

    /// What was let in, as a part of what can be.
    fn share(&self) -> f64 {
        self.loaded.taken() as f64 / self.time.as_secs_f64() / self.pace
    }

    /// What is not as it should be.
    pub(super) fn failed(&self) -> Vec<&'static str> {
        let Self { loaded, meanwhile, rss, recovered, honest, hintless, refused, .. } = self;
        let judged = [
            (
                self.wanted.is_some_and(|wanted| self.at_hand() < wanted * AT_HAND_MIN),
                "the generator was too slow to have that much at hand: give flyball less with --server-cpu",
            ),
            (rss.1 > MEMORY_MEGABYTES, "its memory is beyond limits.memory"),
            (loaded.taken() == 0, "nothing was let in"),
            (loaded.millis(0.99) > ANSWER_MILLIS, "what was let in waited too long"),
            (*hintless > 0 || *refused > 0, "some were refused without a hint when to come again"),
            (meanwhile.taken() * 10 < meanwhile.asked() * 9, "the quiet sender was starved"),
            (recovered.is_none_or(|after| after > RECOVERY), "it was not as before in time"),
            (honest.is_err(), "the ledger is wrong"),
        ];
        judged.into_iter().filter(|(failed, _)| *failed).map(|(_, what)| what).collect()
    }
}
