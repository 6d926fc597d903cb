//! What a Prometheus exporter says of itself: text 0.0.4 and OpenMetrics 1.0.
//!
//! | module | reads |
//! |---|---|
//! | `entries` | a body, line by line, into [`Entry`]s |
//! | `sample` | the series of a sample: its name and labels, once they are asked for |
//! | `number` | values and times |
//! | `cursor` | bytes, with the place of what is wrong |
//!
//! A sample's series is found as a span of the text ([`Sample::series`]) and not looked into: whoever knows that span from
//! the last scrape needs no labels. [`Sample::labels`] reads them, and only there their form is checked.
//!
//! Prometheus refuses a whole body for one bad line, and so does this: an exporter that writes one bad line may have cut
//! another one off. Differences to Prometheus' own reader, all to the lenient side: blanks around a type's name, a sign
//! before a time, and times that OpenMetrics gives finer than milliseconds are kept to the nanosecond.
//!
//! Sources: Prometheus' exposition formats (text 0.0.4), OpenMetrics 1.0, and where they are silent Prometheus' behaviour.

mod cursor;
mod entries;
mod number;
mod problem;
mod sample;

#[cfg(test)]
mod tests;

pub use entries::{Entries, Entry, entries};
pub use problem::ExpositionProblem;
pub use sample::{Exemplar, Label, Labels, NAME_LABEL, Sample};

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}
