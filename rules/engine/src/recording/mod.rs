//! Recording rules: the rows of an evaluation become points of a metric.
//!
//! A row's text columns and the rule's `labels` are the series, its column `value` is the value, its column `time` the time where it is a
//! timestamp, and else the time of the evaluation. Pure, so that live, test and backtest record the same: a [`Recorder`] remembers which series
//! of its rule have a row, and says which points an evaluation gives. Whoever drives it stores them as any other points.
//!
//! | seen | point |
//! |---|---|
//! | a row, later than the series' newest point | its value |
//! | a row that is not later (its column `time` has not moved on) | none: no time of a series stands twice, and none goes back |
//! | no row, or one whose value is NULL | a staleness marker, once: the series has ended |
//! | an error, or a table without a point yet | none: that says nothing about what was recorded |
//!
//! | file | holds |
//! |---|---|
//! | `recorder` | from rows to points |
//! | `owners` | which rule records a series: two never record the same |
//! | `newest` | what a series has already, from the store |
//! | `moments` | when a rule is evaluated that has a step |
//! | `reads` | the metrics that a query reads, from its text |
//! | `order` | which rules read what others record; circles |

mod moments;
mod newest;
mod order;
mod owners;
mod reads;
mod recorder;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use flyball_model::UnixNanos;

pub use moments::{CATCH_UP_MAX, moments, until_next};
pub use newest::newest;
pub(crate) use order::Recorded;
pub use order::{Dependencies, circles};
pub use owners::Owners;
pub use recorder::{Recorder, Taken};
pub(crate) use recorder::{SEVERITY, too_many};

/// The labels of a recorded series. No value is empty.
pub type Labels = BTreeMap<String, String>;

/// What stands in `flyball.metric_info` of every recorded metric, so that one that is received can be told from it.
pub const HELP: &str = "Recorded by a rule of flyball";

/// A point that a rule gave.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedPoint {
    /// Of its series, beside the metric.
    pub labels: Labels,
    /// When.
    pub time: UnixNanos,
    /// `None` is a staleness marker: the series ends.
    pub value: Option<f64>,
}
