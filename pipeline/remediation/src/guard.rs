//! The memory behind the limits: who was asked to do something to what, and when.

use std::collections::VecDeque;

use flyball_model::time::UnixNanos;
use hashbrown::HashMap;

use crate::limits::{ActionLimits, RATE_WINDOW, TARGETS_MAX};
use crate::suppression::Suppression;

/// Requests let through, as far back as a limit looks.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Backend and target → the last request.
    targets: HashMap<(String, String), UnixNanos>,
    /// Backend → requests of the last minute, the oldest first. Never more of them than the limit.
    recent: HashMap<String, VecDeque<UnixNanos>>,
}

impl Guard {
    /// Lets a request through and remembers it, or says which limit it breaks and remembers nothing.
    ///
    /// A request from the future means that the clock was set back; it counts as made now, so that a limit holds for
    /// its own length from there and not until the old time comes round again.
    pub(crate) fn admit(
        &mut self,
        limits: &ActionLimits,
        backend: &str,
        target: &str,
        now: UnixNanos,
    ) -> Result<(), Suppression> {
        let key = (backend.to_owned(), target.to_owned());
        if let Some(last) = self.targets.get_mut(&key) {
            *last = (*last).min(now);
            let ago = now.since(*last);
            if ago < limits.per_target_cooldown {
                let cooldown = limits.per_target_cooldown;
                return Err(Suppression::Cooldown { backend: key.0, target: key.1, ago, cooldown });
            }
        } else if self.targets.len() >= TARGETS_MAX {
            self.targets.retain(|_, last| {
                *last = (*last).min(now);
                now.since(*last) < limits.per_target_cooldown
            });
            if self.targets.len() >= TARGETS_MAX {
                return Err(Suppression::TooManyTargets { limit: TARGETS_MAX });
            }
        }

        let recent = self.recent.entry_ref(backend).or_default();
        recent.iter_mut().for_each(|at| *at = (*at).min(now));
        while recent.front().is_some_and(|&at| now.since(at) >= RATE_WINDOW) {
            recent.pop_front();
        }
        if recent.len() >= limits.per_backend_per_minute as usize {
            return Err(Suppression::Rate { backend: key.0, limit: limits.per_backend_per_minute });
        }

        recent.push_back(now);
        self.targets.insert(key, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn limits(cooldown_s: u64, per_minute: u32) -> ActionLimits {
        ActionLimits {
            per_target_cooldown: Duration::from_secs(cooldown_s),
            per_backend_per_minute: per_minute,
            ..ActionLimits::default()
        }
    }

    #[test]
    fn a_target_is_left_alone_until_its_cooldown_is_over() {
        let (mut guard, limits) = (Guard::default(), limits(60, 10));
        let at = |s| UnixNanos::from_secs(s);
        assert_eq!(guard.admit(&limits, "ops", "name=web", at(0)), Ok(()));
        assert_eq!(guard.admit(&limits, "ops", "name=db", at(1)), Ok(()), "another target");
        assert_eq!(guard.admit(&limits, "k8s", "name=web", at(1)), Ok(()), "another backend");
        let refused = guard.admit(&limits, "ops", "name=web", at(59)).expect_err("59 s are less than 60 s");
        assert_eq!(
            refused.to_string(),
            "backend 'ops' was asked to act on name=web 59s ago; limits_of_action.per_target_cooldown is 60s"
        );
        assert_eq!(guard.admit(&limits, "ops", "name=web", at(60)), Ok(()));
    }

    #[test]
    fn a_refused_request_does_not_prolong_the_cooldown_nor_count_in_the_rate() {
        let (mut guard, limits) = (Guard::default(), limits(60, 2));
        assert_eq!(guard.admit(&limits, "ops", "a", UnixNanos::from_secs(0)), Ok(()));
        for s in 1..50 {
            assert!(guard.admit(&limits, "ops", "a", UnixNanos::from_secs(s)).is_err());
        }
        assert_eq!(guard.admit(&limits, "ops", "b", UnixNanos::from_secs(50)), Ok(()));
        assert!(matches!(guard.admit(&limits, "ops", "c", UnixNanos::from_secs(51)), Err(Suppression::Rate { .. })));
        assert_eq!(guard.admit(&limits, "ops", "a", UnixNanos::from_secs(60)), Ok(()));
    }

    #[test]
    fn a_clock_set_back_by_a_day_does_not_stop_actions_for_a_day() {
        let (mut guard, limits) = (Guard::default(), limits(60, 1));
        assert_eq!(guard.admit(&limits, "ops", "a", UnixNanos::from_secs(86_400)), Ok(()));
        assert!(guard.admit(&limits, "ops", "a", UnixNanos::from_secs(0)).is_err());
        assert!(guard.admit(&limits, "ops", "b", UnixNanos::from_secs(0)).is_err());
        assert_eq!(guard.admit(&limits, "ops", "a", UnixNanos::from_secs(60)), Ok(()));
    }

    #[test]
    fn targets_beyond_the_bound_are_held_back_and_old_ones_make_room() {
        let (mut guard, limits) = (Guard::default(), limits(60, u32::MAX));
        for i in 0..TARGETS_MAX {
            assert_eq!(guard.admit(&limits, "ops", &i.to_string(), UnixNanos::from_secs(0)), Ok(()));
        }
        let full = guard.admit(&limits, "ops", "one more", UnixNanos::from_secs(59));
        assert_eq!(full, Err(Suppression::TooManyTargets { limit: TARGETS_MAX }));
        assert_eq!(guard.admit(&limits, "ops", "one more", UnixNanos::from_secs(60)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_minute_and_no_target_gets_more_than_its_limit(
            steps in prop::collection::vec((0_i64..20, 0_u8..2, 0_u8..4), 1..200),
            cooldown_s in 0_u64..90,
            per_minute in 0_u32..6,
        ) {
            let (mut guard, limits) = (Guard::default(), limits(cooldown_s, per_minute));
            let mut now = 0;
            let mut admitted: Vec<(i64, u8, u8)> = Vec::new();
            for (pause, backend, target) in steps {
                now += pause;
                let answer = guard.admit(&limits, &backend.to_string(), &target.to_string(), UnixNanos::from_secs(now));
                let in_minute = admitted.iter().filter(|a| a.1 == backend && now - a.0 < 60).count();
                let cooling = admitted.iter().any(|a| (a.1, a.2) == (backend, target) && now - a.0 < cooldown_s as i64);
                prop_assert_eq!(answer.is_ok(), in_minute < per_minute as usize && !cooling);
                if answer.is_ok() {
                    admitted.push((now, backend, target));
                }
            }
        }
    }
}
