//! The memory behind the limits: who was asked to do something to what, and when.
//!
//! It outlives the process, so that a process that crashes again and again does not act again and again. All times are steady times.

use std::collections::VecDeque;

use flyball_model::state::{Piece, Section};
use flyball_model::time::UnixNanos;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::limits::{ActionLimits, RATE_WINDOW, TARGETS_MAX};
use crate::suppression::Suppression;

/// Backend and target.
type Target = (String, String);

/// A piece of [`Section::Limits`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum WrittenLimit {
    /// The last request that concerned a target.
    Target {
        /// Who was asked.
        backend: String,
        /// The target as text.
        target: String,
        /// When, in steady time.
        at: UnixNanos,
    },
    /// A request of the last minute.
    Request {
        /// Who was asked.
        backend: String,
        /// Unique among all requests of the last minute.
        number: u64,
        /// When, in steady time.
        at: UnixNanos,
    },
}

/// Requests let through, as far back as a limit looks.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// The last request.
    targets: HashMap<Target, UnixNanos>,
    /// The same, the oldest first.
    order: VecDeque<(UnixNanos, Target)>,
    /// Backend → requests of the last minute, the oldest first. Never more of them than the limit.
    recent: HashMap<String, VecDeque<(UnixNanos, u64)>>,
    /// The number of the next request.
    next: u64,
    /// What was not written down yet.
    changes: Vec<Piece>,
}

impl Guard {
    /// Goes on from what the process before wrote down.
    pub(crate) fn recover(pieces: impl IntoIterator<Item = WrittenLimit>) -> Self {
        let mut guard = Self::default();
        for piece in pieces {
            match piece {
                WrittenLimit::Target { backend, target, at } => {
                    guard.order.push_back((at, (backend.clone(), target.clone())));
                    guard.targets.insert((backend, target), at);
                }
                WrittenLimit::Request { backend, number, at } => {
                    guard.next = guard.next.max(number + 1);
                    guard.recent.entry(backend).or_default().push_back((at, number));
                }
            }
        }
        guard.order.make_contiguous().sort();
        guard.recent.values_mut().for_each(|recent| recent.make_contiguous().sort());
        guard
    }

    /// What has to be written down since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.changes)
    }

    /// Lets a request through and remembers it, or says which limit it breaks and remembers nothing.
    pub(crate) fn admit(
        &mut self,
        limits: &ActionLimits,
        backend: &str,
        target: &str,
        now: UnixNanos,
    ) -> Result<(), Suppression> {
        self.forget_what_is_over(limits, now);
        let key = (backend.to_owned(), target.to_owned());
        if let Some(&last) = self.targets.get(&key) {
            let (ago, cooldown) = (now.since(last), limits.per_target_cooldown);
            return Err(Suppression::Cooldown { backend: key.0, target: key.1, ago, cooldown });
        }
        if self.targets.len() >= TARGETS_MAX {
            return Err(Suppression::TooManyTargets { limit: TARGETS_MAX });
        }
        let recent = self.recent.entry_ref(backend).or_default();
        while let Some((_, number)) = recent.pop_front_if(|(at, _)| now.since(*at) >= RATE_WINDOW) {
            self.changes.push(Piece::forget(Section::Limits, request_key(backend, number)));
        }
        if recent.len() >= limits.per_backend_per_minute as usize {
            return Err(Suppression::Rate { backend: key.0, limit: limits.per_backend_per_minute });
        }

        let number = self.next;
        self.next += 1;
        recent.push_back((now, number));
        let request = WrittenLimit::Request { backend: backend.to_owned(), number, at: now };
        self.changes.push(Piece::json(Section::Limits, request_key(backend, number), &request));
        let written = WrittenLimit::Target { backend: key.0.clone(), target: key.1.clone(), at: now };
        self.changes.push(Piece::json(Section::Limits, target_key(&key), &written));
        self.order.push_back((now, key.clone()));
        self.targets.insert(key, now);
        Ok(())
    }

    fn forget_what_is_over(&mut self, limits: &ActionLimits, now: UnixNanos) {
        while let Some((_, key)) = self.order.pop_front_if(|(at, _)| now.since(*at) >= limits.per_target_cooldown) {
            self.changes.push(Piece::forget(Section::Limits, target_key(&key)));
            self.targets.remove(&key);
        }
    }
}

fn request_key(backend: &str, number: u64) -> String {
    format!("request:{number}:{backend}")
}

/// With the length of the first name, so that no two pairs of names run together into the same key.
fn target_key((backend, target): &Target) -> String {
    format!("target:{}:{backend}:{target}", backend.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flyball_model::state::State;
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
    fn limits_go_on_after_a_restart_and_what_is_over_leaves_nothing_behind() {
        let (mut guard, limits) = (Guard::default(), limits(60, 2));
        let at = UnixNanos::from_secs;
        let mut state = State::default();
        for (target, now, admitted) in
            [("a", 0, true), ("b", 10, true), ("a", 20, false), ("c", 21, false), ("c", 60, true), ("b", 69, false)]
        {
            assert_eq!(guard.admit(&limits, "ops", target, at(now)).is_ok(), admitted, "{target} at {now}");
            for Piece { section, key, value } in guard.take_changes() {
                state.put(section, &key, value);
            }
            let (pieces, faults) = state.clone().take_json(Section::Limits);
            assert_eq!(faults, [""; 0]);
            guard = Guard::recover(pieces.into_iter().map(|(_, piece)| piece));
        }
        let keys: Vec<_> = state.iter().map(|(_, key, _)| key.to_owned()).collect();
        assert_eq!(keys, ["request:1:ops", "request:2:ops", "target:3:ops:b", "target:3:ops:c"]);
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
