//! The backends that a remediation names.

use flyball_yaml::nearest;

use super::BackendActions;
use super::codes::{CANNOT, NO_BACKEND};
use crate::definition::{Problem, Rule};

/// Notes backends that are not configured, and those that can't do what is asked of them.
pub(super) fn check(rule: &Rule, backends: &BackendActions, problems: &mut Vec<Problem>) {
    for step in &rule.remediate {
        let name = step.backend.as_str();
        let Some(able) = backends.get(name) else {
            let names: Vec<&str> = backends.keys().map(String::as_str).collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None if names.is_empty() => "no backends are configured; name it under 'backends'".to_owned(),
                None => format!("configured under 'backends' are {}", names.join(", ")),
            };
            problems.push(
                Problem::error(step.backend.place(), format!("there is no backend '{name}'"))
                    .hint(hint)
                    .code(NO_BACKEND),
            );
            continue;
        };
        if !able.contains(&step.action) {
            let able: Vec<&str> = able.iter().map(|action| action.as_str()).collect();
            let message = format!("the backend '{name}' can't '{}'", step.action.as_str());
            let hint = format!("it can {}", if able.is_empty() { "do nothing".to_owned() } else { able.join(", ") });
            problems.push(Problem::error(step.action_place.clone(), message).hint(hint).code(CANNOT));
        }
    }
}
