//! The table of latencies.

use super::events::Latencies;
use super::schedule::Way;
use crate::goals::verdict;
use crate::report;
use crate::targets::Target;

/// Quantile and the milliseconds that it may take.
const GOALS: [(&str, f64, f64); 3] = [("p50", 0.5, 5.0), ("p99", 0.99, 25.0), ("p99.9", 0.999, 60.0)];

/// What came of one target.
pub(super) struct Outcome {
    pub(super) target: Target,
    /// Points a second that were taken beside the probes.
    pub(super) background: f64,
    /// Its share of the pace that the target keeps.
    pub(super) share: f64,
    pub(super) latencies: [Latencies; 2],
}

impl Outcome {
    /// What did not come, if anything.
    pub(super) fn missing(&self) -> Option<String> {
        let missing: usize = self.latencies.iter().map(|way| way.expected - way.seen()).sum();
        (missing > 0).then(|| format!("{missing} events of {} are missing", self.target))
    }
}

/// Rows for what fires and what is resolved at each target; goals stand with flyball.
pub(super) fn table(outcomes: &[Outcome], judged: bool) -> String {
    let mut text = report::head(&[
        "target",
        "background",
        "event",
        "expected",
        "seen",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "goal",
    ]);
    for Outcome { target, background, share, latencies } in outcomes {
        for way in latencies {
            let word = if way.way == Way::Over { "firing" } else { "resolved" };
            let goals = GOALS.map(|(name, quantile, millis)| {
                let met = way.seen() == way.expected && way.millis(quantile) < millis;
                format!("{name} < {millis} ms: {}", verdict(judged, met))
            });
            let goals = if *target == Target::Flyball { goals.join("; ") } else { String::new() };
            let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|quantile| way.millis(quantile));
            text.push_str(&format!(
                "| {target} | {background:.0} points/s, {share:.2} of its pace | {word} | {} | {} \
                 | {p50:.1} | {p99:.1} | {p999:.1} | {max:.1} | {goals} |\n",
                way.expected,
                way.seen(),
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(way: Way, expected: usize, millis: &[u64]) -> Latencies {
        let mut latencies = Latencies::new(way, expected);
        millis.iter().for_each(|millis| latencies.histogram.saturating_record(millis * 1_000));
        latencies
    }

    #[test]
    fn a_goal_is_missed_by_what_is_late_and_by_what_never_came() {
        let latencies = [latencies(Way::Over, 3, &[1, 2, 70]), latencies(Way::Under, 3, &[1, 2])];
        let outcome = Outcome { target: Target::Flyball, background: 5_000.0, share: 0.5, latencies };
        assert_eq!(outcome.missing().as_deref(), Some("1 events of flyball are missing"));
        let text = table(&[outcome], true);
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| flyball | 5000 points/s, 0.50 of its pace | firing | 3 | 3 | 2.0 | 70.0 | 70.0 | 70.0 \
                 | p50 < 5 ms: met; p99 < 25 ms: missed; p99.9 < 60 ms: missed |",
                "| flyball | 5000 points/s, 0.50 of its pace | resolved | 3 | 2 | 1.0 | 2.0 | 2.0 | 2.0 \
                 | p50 < 5 ms: missed; p99 < 25 ms: missed; p99.9 < 60 ms: missed |",
            ]
        );
    }
}
