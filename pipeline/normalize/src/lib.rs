//! Borrowed views to batches of points and log records.
//!
//! A body goes in, and out come columns that cannot have a wrong schema, and the account of what was refused:
//! received = points + records + rejected, exactly, where what was received is metered on its own. Pure but for what a batch leaves
//! behind: new series and metric descriptions in the registry, entries in the cache of aliases, and the running totals of deltas. All
//! but the first are only touched once the whole body was read. The totals can be given away as bytes and taken back, since they
//! must outlive the process.

mod aliases;
mod attributes;
mod describe;
mod exemplars;
mod exposition;
mod fault;
mod histograms;
mod labels;
mod line_protocol;
mod logs;
mod normalizer;
mod otlp_exemplars;
mod otlp_metrics;
mod rejections;
mod remote_write;
mod remote_write2;
mod scaphandre;
mod series;
mod spans;
mod stream;
mod text;
mod totals;
mod window;
mod work;

pub use normalizer::{Normalized, Normalizer};
pub use totals::{TOTALS_PIECE_BYTES_MAX, TotalsError, TotalsProblem};
