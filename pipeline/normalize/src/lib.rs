//! Borrowed views to batches of points and log records.
//!
//! A body goes in, and out come columns that cannot have a wrong schema, and the account of what was refused:
//! received = points + records + rejected, exactly. Pure but for three things that a batch leaves behind: new series and
//! metric descriptions in the registry, and the running totals of delta sums. The last two are only touched once the
//! whole body was read.

mod delta;
mod describe;
mod fault;
mod labels;
mod logs;
mod normalizer;
mod otlp_metrics;
mod rejections;
mod remote_write;
mod series;
mod text;
mod window;
mod work;

pub use normalizer::{Normalized, Normalizer};
