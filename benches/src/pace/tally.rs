//! What was answered, and how fast.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::Verdict;

/// The answers to many bodies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// When each body that was let in was answered, and how long after it was sent.
    pub(crate) answers: Vec<(Instant, Duration)>,
    /// Points in them.
    pub(crate) points: u64,
    /// Refused for now, with a hint when to come again.
    pub(crate) not_now_hint: u64,
    /// Refused for now, without one.
    pub(crate) not_now: u64,
    /// Refused for good.
    pub(crate) refused: u64,
    /// Without an answer: nobody knows what became of these bodies.
    pub(crate) broken: u64,
    /// Their points.
    pub(crate) broken_points: u64,
    /// Bodies that should have been sent while all connections were busy.
    pub(crate) skipped: u64,
    /// When each body that was not let in was answered.
    pub(crate) turned_away: Vec<Instant>,
}

impl Tally {
    /// Adds an answer.
    pub(crate) fn note(&mut self, verdict: Result<Verdict>, points: usize, sent: Instant, now: Instant) {
        match verdict {
            Ok(Verdict::Taken) => {
                self.answers.push((now, now - sent));
                self.points += points as u64;
                return;
            }
            Ok(Verdict::NotNow { hint: true, .. }) => self.not_now_hint += 1,
            Ok(Verdict::NotNow { hint: false, .. }) => self.not_now += 1,
            Ok(Verdict::Refused(_)) => self.refused += 1,
            Err(_) => {
                self.broken += 1;
                self.broken_points += points as u64;
            }
        }
        self.turned_away.push(now);
    }

    /// Adds other answers.
    pub(crate) fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.turned_away.extend(other.turned_away);
        self.points += other.points;
        self.not_now_hint += other.not_now_hint;
        self.not_now += other.not_now;
        self.refused += other.refused;
        self.broken += other.broken;
        self.broken_points += other.broken_points;
        self.skipped += other.skipped;
    }

    /// Those that were answered within a time. What has no time of its own is not in it.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Self {
        let within = |at: &Instant| (from..to).contains(at);
        Self {
            answers: self.answers.iter().filter(|(at, _)| within(at)).copied().collect(),
            turned_away: self.turned_away.iter().filter(|at| within(at)).copied().collect(),
            ..Self::default()
        }
    }

    /// Bodies that were let in.
    pub(crate) fn taken(&self) -> usize {
        self.answers.len()
    }

    /// Bodies that were sent.
    pub(crate) fn asked(&self) -> usize {
        self.answers.len() + self.turned_away.len()
    }

    /// Bodies a second that were sent.
    pub(crate) fn offered(&self, time: Duration) -> f64 {
        self.asked() as f64 / time.as_secs_f64()
    }

    /// A quantile of the answers' times, in milliseconds; 0 where there is none.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        let mut times: Vec<_> = self.answers.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let index = ((times.len() as f64 * quantile) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn answers_are_counted_by_what_they_say() {
        let mut tally = Tally::default();
        let start = clock::now();
        for millis in 1..=100 {
            tally.note(Ok(Verdict::Taken), 5, start, start + Duration::from_millis(millis));
        }
        tally.note(Ok(Verdict::NotNow { why: String::new(), hint: true }), 5, start, start);
        tally.note(Ok(Verdict::NotNow { why: String::new(), hint: false }), 5, start, start);
        tally.note(Ok(Verdict::Refused(String::new())), 5, start, start);
        tally.note(Err(anyhow::anyhow!("reset")), 5, start, start);
        assert_eq!((tally.taken(), tally.points, tally.asked()), (100, 500, 104));
        assert_eq!((tally.not_now_hint, tally.not_now, tally.refused, tally.broken_points), (1, 1, 1, 5));
        let part = tally.between(start + Duration::from_millis(11), start + Duration::from_millis(21));
        assert_eq!((part.taken(), part.asked(), part.millis(0.0), part.millis(1.0)), (10, 10, 11.0, 20.0));
        assert_eq!((tally.millis(0.5), tally.millis(0.99), Tally::default().millis(0.5)), (51.0, 100.0, 0.0));
    }
}
