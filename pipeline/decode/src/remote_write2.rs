//! `io.prometheus.write.v2.Request`, remote write 2.0: a table of symbols, and series that refer to it.
//!
//! | file | holds |
//! |---|---|
//! | `symbols` | the table: every text of the request once |
//! | `refs` | lists of references into it |
//! | `series` | a series with its samples, histograms, exemplars and metadata |
//!
//! Source: Prometheus Remote-Write 2.0 specification (2.0-rc.4) and `prompb/io/prometheus/write/v2/types.proto`.

mod refs;
mod series;
mod symbols;
#[cfg(test)]
mod tests;

pub use refs::{Reference, References};
pub use series::{Exemplar, Metadata, Sample, TimeSeries};
pub use symbols::{SYMBOLS_MAX, SymbolPlaces, Symbols};

use crate::wire::{Nested, Slice, Step};

const REQUEST: &str = "Request";

/// The series of a request.
pub fn time_series(body: &[u8]) -> Nested<'_, TimeSeries<'_>, 1> {
    Nested::new(Slice::body(body), [Step::new(REQUEST, 5)])
}
