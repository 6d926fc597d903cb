//! What one query may cost.

use std::time::Duration;

/// The bounds of one query; a query that reaches one is stopped with an error that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// The most rows of a result. Default 1,000,000.
    pub rows: usize,
    /// The longest time from the call to the last row. Default 30 s.
    pub time: Duration,
    /// The most memory for hash tables, sorts, samples of range functions and the result, in bytes. Default 256 MiB.
    pub memory_bytes: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { rows: 1_000_000, time: Duration::from_secs(30), memory_bytes: 256 << 20 }
    }
}
