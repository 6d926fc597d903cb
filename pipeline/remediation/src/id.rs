//! Ids of events: the same cause gives the same id, after a restart too, so that a consumer may drop repetitions.

use flyball_model::event::EventKind;
use twox_hash::XxHash3_128;

/// 32 hex digits: XXH3-128 over violation, type, backend, step and attempt, each preceded by its length so that no two
/// different lists read alike. `place` is (step, attempt); events without an action have none. What is told anew has the number of times it
/// was told `before`; the first time it has nothing.
pub(crate) fn event_id(
    violation: &str,
    kind: EventKind,
    backend: &str,
    place: Option<(u32, u32)>,
    before: u32,
) -> String {
    let mut hasher = XxHash3_128::new();
    let mut write = |text: &str| {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    };
    write(violation);
    write(&kind.to_string());
    write(backend);
    if let Some((step, attempt)) = place {
        write(&step.to_string());
        write(&attempt.to_string());
    }
    if before > 0 {
        write("again");
        write(&before.to_string());
    }
    format!("{:032x}", hasher.finish_128())
}

#[cfg(test)]
mod tests {
    use flyball_model::event::State;

    use super::*;

    #[test]
    fn an_id_never_changes_between_versions_of_flyball() {
        // Computed with the Python package xxhash.
        let firing = EventKind::Violation(State::Firing);
        assert_eq!(event_id("v", firing, "ops", None, 0), "498f3d3e263fd292b9296d41670da20d");
        assert_eq!(
            event_id("v", EventKind::RemediationRequested, "ops", Some((0, 1)), 0),
            "6087d1bd4c59371ff37e0e2663783bd7"
        );
    }

    #[test]
    fn every_part_changes_the_id() {
        let kind = EventKind::RemediationRequested;
        let id = event_id("v", kind, "ops", Some((0, 1)), 0);
        for other in [
            event_id("w", kind, "ops", Some((0, 1)), 0),
            event_id("v", EventKind::Violation(State::Firing), "ops", Some((0, 1)), 0),
            event_id("v", kind, "k8s", Some((0, 1)), 0),
            event_id("v", kind, "ops", Some((1, 1)), 0),
            event_id("v", kind, "ops", Some((0, 2)), 0),
            event_id("v", kind, "ops", None, 0),
            event_id("v", kind, "ops", Some((0, 1)), 1),
            event_id("v", kind, "ops", None, 1),
        ] {
            assert_ne!(id, other);
        }
    }
}
