//! Where a history comes from.

use std::future::Future;

use flyball_model::UnixNanos;
use flyball_rules::query::{Database, QueryError, QueryResult};

/// A history that can be asked in SQL: a running server, or an open data folder.
pub trait Source: Sync {
    /// Asks for rows.
    fn query(&self, sql: &str) -> impl Future<Output = Result<QueryResult, SourceError>> + Send;
}

/// Why a history did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// More than it gives at once; less should be asked for.
    #[error("the history holds more than can be read at once: {0}")]
    TooMuch(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl Source for Database {
    async fn query(&self, sql: &str) -> Result<QueryResult, SourceError> {
        // No query of a backtest asks what time it is.
        self.query(sql, UnixNanos(0)).await.map_err(|error| match error {
            QueryError::RowLimit { .. } | QueryError::TimeLimit { .. } | QueryError::MemoryLimit { .. } => {
                SourceError::TooMuch(error.to_string())
            }
            other => SourceError::Failed(other.to_string()),
        })
    }
}
