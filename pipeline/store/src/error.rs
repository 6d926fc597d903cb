//! What can go wrong with a data folder.

use std::io;
use std::path::{Path, PathBuf};

use datafusion::error::DataFusionError;
use flyball_model::series::ColdError;
use parquet::errors::ParquetError;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process works on the folder.
    #[error(
        "the data folder {} is in use by another flyball; stop it, or give this one another --data-dir",
        dir.display()
    )]
    InUse {
        /// The data folder.
        dir: PathBuf,
    },
    /// There is nothing to look at.
    #[error("{} is no data folder of flyball; name the one that 'data_dir' or --data-dir of the server names", dir.display())]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// The operating system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `create`, `write`, …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The file was written by a newer flyball.
    #[error(
        "{} has format version {found}; this flyball reads up to version {known}: use a newer flyball on this data folder",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is damaged, or does not fit the rest of the folder.
    #[error("{} is damaged at byte {offset}: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What was found, and what to do.
        detail: String,
    },
    /// A history file can't be read or written.
    #[error("the history file {}: {source}; to go on without it, move it out of the folder", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        #[source]
        source: ParquetError,
    },
    /// What is in memory can't be made durable in the log, and must not get into the history before it is.
    #[error("the history is not written while the log can't be: {detail}")]
    Log {
        /// What the log says.
        detail: String,
    },
    /// A log record does not fit what it should be replayed into.
    #[error(
        "a record of the log does not fit this data folder: {detail}; the log or series.journal is of another folder"
    )]
    Foreign {
        /// What does not fit.
        detail: String,
    },
    /// Labels are needed that are not in memory.
    #[error(transparent)]
    Labels(#[from] ColdError),
    /// Files were being joined when the process was told to end; nothing is lost.
    #[error("the history is not joined any more: flyball is stopping")]
    Stopped,
    /// A query's expression or batch could not be evaluated.
    #[error(transparent)]
    Query(#[from] Box<DataFusionError>),
}

impl StoreError {
    /// Wraps an I/O error with what was tried on what; made for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Wraps a Parquet error with its file; made for `map_err`.
    pub(crate) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self {
        move |source| Self::Parquet { path: path.to_owned(), source }
    }

    /// Whether the same call may succeed later without anyone repairing anything but the disk.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Io { .. } | Self::Log { .. })
    }
}

impl From<DataFusionError> for StoreError {
    fn from(error: DataFusionError) -> Self {
        Self::Query(Box::new(error))
    }
}

impl From<arrow::error::ArrowError> for StoreError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Query(Box::new(error.into()))
    }
}

impl From<StoreError> for DataFusionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Query(error) => *error,
            error => DataFusionError::External(Box::new(error)),
        }
    }
}
