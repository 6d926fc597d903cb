//! Bounds on what flyball asks of the estate, on unless configured otherwise.

use std::time::Duration;

/// The stretch of time that [`ActionLimits::per_backend_per_minute`] counts in.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Targets under cooldown that are remembered. Beyond it requests are held back, since forgetting a target would let
/// it be acted on too early. Per backend at most `per_backend_per_minute` targets come in a minute, so the default
/// limits reach it with more than 1,600 backends only.
pub(crate) const TARGETS_MAX: usize = 16_384;

/// `limits_of_action` of the configuration.
///
/// All of them concern requests (`flyball.remediation.requested`). The violation's own events change nothing in the
/// estate and are never held back.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionLimits {
    /// How long a backend is left alone with one target after it was asked to act on it, whichever rule asked. Zero: no
    /// cooldown. Default 60 s.
    pub per_target_cooldown: Duration,
    /// How many requests one backend gets within any minute. Zero: none at all. Default 10.
    pub per_backend_per_minute: u32,
    /// The share of the estate, 0 to 1, that may be acted on at a time. Default 0.2.
    ///
    /// **Not enforced yet**: what a target's estate is has to come from the twin, together with the verification of
    /// actions. Whoever reads a configuration that sets it must say so.
    pub blast_radius: f64,
    /// How long delivery of an event is tried before it expires. Default 5 min.
    pub event_ttl: Duration,
}

impl Default for ActionLimits {
    fn default() -> Self {
        Self {
            per_target_cooldown: Duration::from_secs(60),
            per_backend_per_minute: 10,
            blast_radius: 0.2,
            event_ttl: Duration::from_secs(5 * 60),
        }
    }
}
