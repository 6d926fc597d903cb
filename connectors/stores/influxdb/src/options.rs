//! What is configured, and the fixed bounds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use flyball_model::ports::RecordKind;

/// Lines of one request: what InfluxDB's documentation asks for 1.x and 2.x, and half of what it asks for 3.
pub(crate) const BATCH_LINES_MAX: u64 = 5_000;

/// Bytes of one request before compression. InfluxDB 3 takes 10 MiB, 1.x takes 25 MB.
pub(crate) const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Batches that wait in memory while the store keeps up; beyond, and after the first failure, they go to the spool.
pub(crate) const MEMORY_BATCHES: usize = 8;

/// Calls of `enqueue` that wait for the worker, which empties the inbox as a whole each time it looks.
pub(crate) const INBOX: usize = 64;

/// Bytes of records that wait for the worker. One call more is taken when nothing waits, so that a single large one fits.
pub(crate) const INBOX_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Bytes of an answer that are read; the rest tells nothing more.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

// A batch of lines that are longer than usual must still fit the smallest limit of any version.
const _: () = assert!(BATCH_BYTES_MAX < 10 * 1024 * 1024);

/// Which API to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InfluxVersion {
    /// InfluxDB 1.x and VictoriaMetrics: `/write`. A database that is missing is created.
    V1,
    /// InfluxDB 2.x: `/api/v2/write`. The bucket must exist.
    V2,
    /// InfluxDB 3: `/api/v3/write_lp`. The server makes databases by itself.
    V3,
}

/// One store. Empty text means not configured.
#[derive(Clone)]
pub struct InfluxOptions {
    /// Its name in logs and metrics.
    pub name: String,
    /// `http://127.0.0.1:8086`; a path is kept, for servers behind a proxy.
    pub url: String,
    /// Which API to speak.
    pub version: InfluxVersion,
    /// The organization; 2.x only, and required there.
    pub org: String,
    /// The bucket; on 1.x and 3 the database, on 1.x also `database/retention_policy`.
    pub bucket: String,
    /// The token: 2.x and 3, and servers of 1.x that take bearer tokens.
    pub token: String,
    /// The user; 1.x.
    pub username: String,
    /// The user's password; 1.x.
    pub password: String,
    /// What to keep there.
    pub write: Vec<RecordKind>,
    /// The folder of batches that wait; of this sink alone, made if missing.
    pub spool_dir: PathBuf,
    /// Bytes of the spool; the oldest batches are dropped and counted beyond.
    pub spool_bytes_max: u64,
}

impl fmt::Debug for InfluxOptions {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfluxOptions")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("version", &self.version)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// How long things take. Fixed, but for tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// A whole request.
    pub(crate) request: Duration,
    /// The pause after the first failure; doubled with each further one.
    pub(crate) backoff_min: Duration,
    /// The longest pause that doubling leads to.
    pub(crate) backoff_max: Duration,
    /// The pause after a failure that only a person can cure: a wrong token, a missing bucket.
    pub(crate) slow: Duration,
    /// The longest pause that a server may ask for with `Retry-After`.
    pub(crate) retry_after_max: Duration,
    /// How often, at most, it is looked at whether what came should be written down.
    pub(crate) note: Duration,
    /// How long a drain may still talk to the store before the rest goes to the spool.
    pub(crate) drain: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            slow: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(600),
            note: Duration::from_secs(1),
            drain: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let options = InfluxOptions {
            name: "n".into(),
            url: "http://h".into(),
            version: InfluxVersion::V2,
            org: "o".into(),
            bucket: "b".into(),
            token: "sesame".into(),
            username: "u".into(),
            password: "sesame".into(),
            write: Vec::new(),
            spool_dir: PathBuf::new(),
            spool_bytes_max: 0,
        };
        assert!(!format!("{options:?}").contains("sesame"));
    }
}
