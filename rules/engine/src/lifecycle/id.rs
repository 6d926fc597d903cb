//! Ids of violations: the same for the same thing, wherever and how often it is worked out.

use flyball_model::UnixNanos;
use flyball_model::event::Identity;
use twox_hash::XxHash3_128;

/// The id of a violation: 32 hex digits of XXH3-128 over version, rule, identity and `active_at`, each text preceded by its
/// length, so that no two lists of texts run together into the same bytes.
pub fn violation_id(version: &str, rule: &str, identity: &Identity, active_at: UnixNanos) -> String {
    id("violation", version, rule, identity, active_at)
}

/// The id of a rule's error. A rule without string columns has a violation of the same empty identity, perhaps of the same
/// time, so the kind is part of the id.
pub(super) fn error_id(version: &str, rule: &str, active_at: UnixNanos) -> String {
    id("error", version, rule, &Identity::new(), active_at)
}

/// The key under which the changes of an identity are written down. It is like no violation's.
pub(super) fn flaps_key(version: &str, rule: &str, identity: &Identity) -> String {
    format!("flaps:{}", id("flaps", version, rule, identity, UnixNanos(0)))
}

fn id(kind: &str, version: &str, rule: &str, identity: &Identity, active_at: UnixNanos) -> String {
    let mut hasher = XxHash3_128::new();
    let mut part = |text: &str| {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    };
    part(kind);
    part(version);
    part(rule);
    for (name, value) in identity {
        part(name);
        part(value);
    }
    hasher.write(&active_at.0.to_le_bytes());
    format!("{:032x}", hasher.finish_128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_every_part_and_on_nothing_else() {
        let identity = |parts: &[(&str, &str)]| parts.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let at = UnixNanos(7);
        let ids = [
            violation_id("v", "R", &identity(&[("a", "b")]), at),
            violation_id("w", "R", &identity(&[("a", "b")]), at),
            violation_id("v", "S", &identity(&[("a", "b")]), at),
            violation_id("v", "R", &identity(&[("a", "c")]), at),
            violation_id("v", "R", &identity(&[("ab", "")]), at),
            violation_id("v", "R", &identity(&[]), at),
            violation_id("v", "R", &identity(&[("a", "b")]), UnixNanos(8)),
            error_id("v", "R", at),
        ];
        let mut unique = ids.to_vec();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
        // Written down once: an id that changes between versions of flyball would repeat every action.
        assert_eq!(ids[0], "8b1f0a40b933773e08832cfdf4cea362");
    }
}
