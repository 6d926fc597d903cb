//! Files of records that are more than a number: log records, spans, histograms, exemplars, texts.
//!
//! They have the columns of `RowKind::schema`. Histograms are sorted by metric, series and time, so that a metric is a range
//! of rows, as in a points file. The other kinds are asked for by time and come nearly in its order, so their batches are
//! written as they are, the oldest first.

mod encode;
mod read;
mod write;

pub(super) use encode::properties;
pub(super) use read::read_all;
pub(crate) use read::{RowQuery, read_rows};
pub(crate) use write::write_rows;

#[cfg(test)]
mod tests;
