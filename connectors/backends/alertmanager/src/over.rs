//! What is over.
//!
//! A reminder is made of what fired a moment ago. When one of these is resolved meanwhile and that is sent first, the reminder would
//! bring it back for as long as alerts last without one.

use std::collections::HashSet;

/// Violations that are over, until no reminder can have been made before that.
#[derive(Debug, Default)]
pub(crate) struct Over {
    /// Since the reminder before the latest one, and since the latest.
    before: HashSet<String>,
    since: HashSet<String>,
}

impl Over {
    /// A violation is over.
    pub(crate) fn insert(&mut self, violation: &str) {
        self.since.insert(violation.to_owned());
    }

    pub(crate) fn contains(&self, violation: &str) -> bool {
        self.since.contains(violation) || self.before.contains(violation)
    }

    /// A reminder is sent; the next one is made afterwards.
    pub(crate) fn reminded(&mut self) {
        self.before = std::mem::take(&mut self.since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_known_for_two_reminders() {
        let mut over = Over::default();
        over.insert("v");
        over.reminded();
        assert!(over.contains("v"), "the next one may be made already");
        over.reminded();
        assert!(!over.contains("v"));
    }
}
