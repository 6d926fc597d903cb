//! What came of an overload.

use std::time::Duration;

use anyhow::Result;

use super::crowd::Crowd;
use super::tally::Tally;

/// `limits.memory` as flyball has it by default, in megabytes.
const MEMORY_MEGABYTES: f64 = 1024.0 * 1024.0 * 1024.0 / 1e6;

/// What is let in must be answered within this, 99 times of 100.
const ANSWER_MILLIS: f64 = 250.0;

/// How long it may take to be as before once the load is gone.
const RECOVERY: Duration = Duration::from_secs(5);

/// All that was seen.
pub(super) struct Outcome {
    /// Bodies a second that flyball keeps in a closed loop.
    pub(super) pace: f64,
    /// How long more was sent.
    pub(super) time: Duration,
    /// What became of it.
    pub(super) loaded: Tally,
    /// What the quiet sender met before, and meanwhile.
    pub(super) calm: Tally,
    pub(super) meanwhile: Tally,
    pub(super) crowd: Crowd,
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
        let Self { pace, time, loaded, calm, meanwhile, crowd, rss, recovered, honest } = self;
        let offered = loaded.offered(*time);
        let times = |tally: &Tally| format!("p50 {:.0} ms, p99 {:.0} ms", tally.millis(0.5), tally.millis(0.99));
        let rows = [
            ("offered", format!("{offered:.0} bodies a second, {:.1} times its pace", offered / pace)),
            ("not offered: all connections were busy", loaded.skipped.to_string()),
            ("let in", format!("{} bodies; {}", loaded.taken(), times(loaded))),
            ("told to come again", format!("{} with a hint, {} without", loaded.not_now_hint, loaded.not_now)),
            ("broken off", loaded.broken.to_string()),
            ("refused for good", loaded.refused.to_string()),
            (
                "the quiet sender",
                format!("{} of {} let in; {}", meanwhile.taken(), meanwhile.asked(), times(meanwhile)),
            ),
            ("the same before", format!("{} of {} let in; {}", calm.taken(), calm.asked(), times(calm))),
            ("the crowd", crowd.to_string()),
            ("memory", format!("{:.0} MB in the mean, peak {:.0} MB", rss.0, rss.1)),
            ("as before after", recovered.map_or("never".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()))),
            ("ledger", honest.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone)),
        ];
        let rows = rows.map(|(what, value)| format!("| {what} | {value} |\n")).concat();
        format!("| overload | |\n|---|---|\n{rows}")
    }

    /// What is not as it should be.
    pub(super) fn failed(&self) -> Vec<&'static str> {
        let Self { loaded, meanwhile, rss, recovered, honest, .. } = self;
        let judged = [
            (rss.1 > MEMORY_MEGABYTES, "its memory is beyond limits.memory"),
            (loaded.millis(0.99) > ANSWER_MILLIS, "what was let in waited too long"),
            (loaded.not_now > 0 || loaded.refused > 0, "some were refused without a hint when to come again"),
            (meanwhile.taken() * 10 < meanwhile.asked() * 9, "the quiet sender was starved"),
            (recovered.is_none_or(|after| after > RECOVERY), "it was not as before in time"),
            (honest.is_err(), "the ledger is wrong"),
        ];
        judged.into_iter().filter(|(failed, _)| *failed).map(|(_, what)| what).collect()
    }
}
