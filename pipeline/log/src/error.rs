//! What can be wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

/// Why the log can't be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The disk said no.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// A file is of a later version of flyball.
    #[error("{} has format version {found}, and this flyball knows {known}; start the newer flyball again", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// A file is not what its name says.
    #[error("{} is damaged at byte {offset}: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, from the start of the file.
        offset: u64,
        /// How.
        detail: String,
    },
    /// Somebody removed a segment that is in use.
    #[error("{} was removed while it was in use; what is in memory is written to the history at once", path.display())]
    Removed {
        /// The segment.
        path: PathBuf,
    },
    /// More than a frame holds, which could not be read back; no try again would change that.
    #[error(
        "{bytes} bytes are more than the {max} that the log takes at once; send them in several bodies, or set a lower receivers.otlp.max_body"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// As much waits to be written as is written at once.
    #[error("what waits to be written fills a frame of the log: the disk is slower than what comes in")]
    Full,
    /// The series journal, which must be durable before what refers to it, can't be written.
    #[error("{0}")]
    Before(String),
}

impl LogError {
    /// Whether the same may work later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Removed { .. } | Self::Full | Self::Before(_))
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
