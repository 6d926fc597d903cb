//! Why an event was made and not sent.

use std::time::Duration;

use flyball_model::action::ActionKind;

/// Why an event was held back. Its text is the `reason` of the row; it names the setting to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Suppression {
    /// The rule names a backend that is not configured.
    #[error("no backend '{backend}' is configured; configured are: {}", or_none(.known))]
    UnknownBackend {
        /// The name in the rule.
        backend: String,
        /// The names in the configuration.
        known: Vec<String>,
    },
    /// The backend can't do what the rule asks.
    #[error("backend '{backend}' can't {}; address the action to one that can", .action.as_str())]
    Incapable {
        /// Who was to be asked.
        backend: String,
        /// What it can't do.
        action: ActionKind,
    },
    /// The backend does not want to hear of requests.
    #[error("backend '{backend}' takes no requests; add 'requested' to its events")]
    Unwanted {
        /// Who was to be asked.
        backend: String,
    },
    /// The target was acted on a short while ago.
    #[error(
        "backend '{backend}' was asked to act on {target} {ago:?} ago; limits_of_action.per_target_cooldown is {cooldown:?}"
    )]
    Cooldown {
        /// Who was to be asked.
        backend: String,
        /// The target as `kind=Deployment,name=web`.
        target: String,
        /// How long ago.
        ago: Duration,
        /// The limit.
        cooldown: Duration,
    },
    /// The backend was asked as often as it may be.
    #[error(
        "backend '{backend}' got {limit} requests within a minute; limits_of_action.per_backend_per_minute allows no more"
    )]
    Rate {
        /// Who was to be asked.
        backend: String,
        /// The limit.
        limit: u32,
    },
    /// More targets are under cooldown than can be remembered.
    #[error("{limit} targets are under cooldown, more can't be watched; shorten limits_of_action.per_target_cooldown")]
    TooManyTargets {
        /// The bound.
        limit: usize,
    },
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
