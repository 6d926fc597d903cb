//! Service level objectives: `slo:` in a rule makes the rules that watch an error budget.
//!
//! The budget is what the objective leaves: of 99.9 % it is 0.1 % of all events of the window. The burn rate is how many times as fast as it
//! may it is used up: at 1 it lasts exactly as long as the window. Whoever is told is told by pairs of windows: the long one says that enough of
//! the budget is gone, the short one that it still goes (source: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").
//!
//! ```text
//! good, total ─► slo_events ─► slo_events_1h ─┐
//!       each step   └────────────────────────┴─► slo_burn_rate ─► NAME_1h, NAME_6h, NAME_1d, NAME_3d
//!                                                      └─► slo_error_budget_remaining
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `read` | from the tree of a file to a [`Slo`] |
//! | `columns` | what a query groups by, from its text |
//! | `rules` | from a [`Slo`] to its rules |

mod columns;
mod read;
mod rules;
#[cfg(test)]
mod tests;

use std::time::Duration;

use flyball_yaml::{Place, Text, format_duration};

pub(super) use read::read_slo;
pub(crate) use rules::EVENTS as SLO_EVENTS;

use super::rule::Rule;

/// An objective.
#[derive(Debug, Clone)]
pub struct Slo {
    /// Unique among all rules.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// In percent, between 0 and 100.
    pub objective: f64,
    /// What the budget is for; 3 to 366 days, 30 unless said.
    pub window: Duration,
    /// How often events are counted, and over how long; 1 min unless said.
    pub step: Duration,
    /// Counts the good events of a step, by group, as `value`; the window is filled in.
    pub good: Text,
    /// Counts all events of a step.
    pub total: Text,
    /// The text columns of both queries.
    pub columns: Vec<String>,
}

impl Slo {
    /// The share of events that may be bad.
    pub fn budget(&self) -> f64 {
        1.0 - self.objective / 100.0
    }

    /// The window of the budget as it stands in the label `range`.
    pub fn range(&self) -> String {
        format_duration(self.window)
    }
}

impl Rule {
    /// Whether it is the rule that counts the objective's events, by the two queries that a person wrote.
    pub(crate) fn is_count_of(&self, slo: &Slo) -> bool {
        self.record.as_ref().is_some_and(|record| record.metric == rules::EVENTS && record.step == Some(slo.step))
    }

    /// Whether its rows are the burn rates of its objective, with the events that they are worked out from: `range`, the groups, `good`, `total`
    /// and `burn`.
    pub fn is_burn_rate(&self) -> bool {
        self.slo.is_some() && self.record.as_ref().is_some_and(|record| record.metric == rules::BURN_RATE)
    }
}

/// A pair of windows, and how fast the budget may go in both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burn {
    /// Says that it matters.
    pub long: &'static str,
    /// Says that it is still so.
    pub short: &'static str,
    /// The rule fires above it.
    pub factor: f64,
    /// What the rule is, unless the objective says otherwise.
    pub severity: &'static str,
}

/// The pairs of the workbook: of a budget of 30 days they mean 2 % gone in an hour, 5 % in six, 10 % in a day, 10 % in three.
pub const BURNS: [Burn; 4] = [
    Burn { long: "1h", short: "5m", factor: 14.4, severity: "critical" },
    Burn { long: "6h", short: "30m", factor: 6.0, severity: "critical" },
    Burn { long: "1d", short: "2h", factor: 3.0, severity: "warning" },
    Burn { long: "3d", short: "6h", factor: 1.0, severity: "warning" },
];

/// The numbers of a burn-rate rule's row: over the long window, and over the short one.
pub const BURN_COLUMNS: [&str; 2] = ["burn_long", "burn_short"];
