//! When a rule with a step is evaluated.

use std::time::Duration;

use flyball_model::UnixNanos;

use crate::definition::Rule;

/// The most moments that one evaluation makes up for. What is older is left out: a long pause must not end in a storm of evaluations.
pub const CATCH_UP_MAX: usize = 10;

/// The moments as of which a rule is to be evaluated at `now`, the earliest first: `now` itself, or with a step each whole multiple of it after
/// `last`, the latest one that was done.
pub fn moments(rule: &Rule, last: Option<UnixNanos>, now: UnixNanos) -> Vec<UnixNanos> {
    let Some(step) = step_nanos(rule) else { return vec![now] };
    let newest = now.0.div_euclid(step) * step;
    let oldest = newest.saturating_sub(step * (CATCH_UP_MAX as i64 - 1));
    let first = match last {
        // A clock that was set back has nothing to do until it has caught up.
        Some(last) => (last.0 + step).max(oldest),
        None => newest,
    };
    (0..CATCH_UP_MAX as i64).map(|at| first + at * step).take_while(|&at| at <= newest).map(UnixNanos).collect()
}

/// How long from `now` until the rule's next tick: `every`, or with a step the next whole multiple of `every`, so that no moment is noticed late.
pub fn until_next(rule: &Rule, every: Duration, now: UnixNanos) -> Duration {
    match (step_nanos(rule), i64::try_from(every.as_nanos())) {
        (Some(step), Ok(every)) if every > 0 => {
            let period = step.min(every);
            Duration::from_nanos((period - now.0.rem_euclid(period)).unsigned_abs())
        }
        _ => every,
    }
}

fn step_nanos(rule: &Rule) -> Option<i64> {
    let step = rule.record.as_ref()?.step?;
    i64::try_from(step.as_nanos()).ok().filter(|&step| step > 0)
}
