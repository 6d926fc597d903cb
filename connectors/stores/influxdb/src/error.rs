//! Why a sink cannot be started.

use std::io;
use std::path::PathBuf;

/// A sink that cannot be started: its configuration is wrong, or its spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum InfluxError {
    /// The address is none.
    #[error("url '{url}' is not an address: {reason}; write http://HOST:PORT or https://HOST:PORT")]
    Url {
        /// As configured, but for a user and a query.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that this version needs was left empty.
    #[error("{what} is missing; {why}")]
    Missing {
        /// The key in the configuration.
        what: &'static str,
        /// Who needs it.
        why: &'static str,
    },
    /// The token or the password has characters that no header can carry.
    #[error("the token has a character that a header cannot carry, such as a line break at its end")]
    Token,
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Client(#[source] reqwest::Error),
    /// The spool could not be opened.
    #[error("the spool {path} cannot be used: {source}; it must be a folder that flyball may write to")]
    Spool {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
