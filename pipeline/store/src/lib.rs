//! The hot store, the embedded Parquet history, and their DataFusion tables.
//!
//! Points arrive in [`Store::append`], records that are more than a number (logs, spans, histograms, …) in
//! [`Store::append_rows`]. They stay in memory, in columns, until [`Store::maintain`] finds them too old or too many; then
//! they leave for Parquet files. The tables ([`Store::metric_table`] and its siblings) and
//! [`Store::samples`] read both as one.

mod append;
mod appended;
mod error;
mod evict;
mod filter;
mod folder;
mod follow;
mod forget;
mod history;
mod hot;
mod join;
mod journal;
pub mod labels;
mod newest;
mod options;
mod ordinals;
mod power;
pub mod predicates;
mod range;
mod records;
mod restore;
mod samples;
mod snapshot;
mod store;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use appended::{Appended, AppendedRows, LogPressure, RestoredCount};
pub use error::StoreError;
pub use flyball_log::{PointRun, Position};
pub use follow::{Follower, RowFollower};
pub use hot::chunk::Points;
pub use join::Joined;
pub use options::{Maintenance, RowCounts, StoreOptions, StoreStats};
pub use records::{series_of_records, times_of_records};
pub use restore::Restore;
pub use samples::SeriesSamples;
pub use store::Store;
pub use table::reads_from;
