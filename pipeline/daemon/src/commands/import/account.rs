//! What became of an import so far.

use std::collections::BTreeMap;
use std::fmt;

use super::post::Answer;
use crate::commands::output::counted;

/// The reason of a report that the server could not read. It is counted by report.
const BAD_REPORT: &str = "bad_report";

/// What became of an import so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Reports that were read.
    pub(super) reports: u64,
    /// Reports that could not be read.
    pub(super) unreadable: u64,
    /// Points that are stored.
    pub(super) stored: u64,
    /// Points that were refused by reason, with the first as an example.
    pub(super) refused: BTreeMap<String, (u64, String)>,
}

impl Account {
    /// Adds what the server says of so many reports.
    pub(super) fn add(&mut self, reports: u64, answer: &Answer) {
        let mut unreadable = 0;
        for reason in &answer.reasons {
            if reason.reason == BAD_REPORT {
                unreadable += reason.points;
            } else {
                let entry = self.refused.entry(reason.reason.clone());
                entry.or_insert_with(|| (0, reason.detail.clone())).0 += reason.points;
            }
        }
        self.stored += answer.stored;
        self.unreadable += unreadable;
        self.reports += reports.saturating_sub(unreadable);
    }

    /// Whether everything was taken.
    pub(super) fn is_whole(&self) -> bool {
        self.unreadable == 0 && self.refused.is_empty()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} stored", counted(self.reports, "report"), counted(self.stored, "point"))?;
        let refused: u64 = self.refused.values().map(|(points, _)| points).sum();
        if refused > 0 {
            write!(f, ", {} refused", counted(refused, "point"))?;
        }
        if self.unreadable > 0 {
            write!(f, ", {} unreadable", counted(self.unreadable, "report"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::import::post::Reason;

    #[test]
    fn answers_add_up() {
        let mut account = Account::default();
        let reason =
            |reason: &str, points| Reason { reason: reason.to_owned(), points, detail: "the detail".to_owned() };
        account.add(3, &Answer { stored: 30, reasons: vec![], faults: vec![] });
        assert!(account.is_whole());
        assert_eq!(account.to_string(), "3 reports, 30 points stored");
        let reasons = vec![reason("too_old", 4), reason(BAD_REPORT, 1)];
        account.add(2, &Answer { stored: 1, reasons, faults: vec![] });
        account.unreadable += 1;
        assert!(!account.is_whole());
        assert_eq!(account.to_string(), "4 reports, 31 points stored, 4 points refused, 2 reports unreadable");
    }
}
