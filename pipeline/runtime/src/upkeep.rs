//! Upkeep: what is too old or too much leaves memory for the history, and what is safe there leaves the log.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flyball_log::{LogError, Position};
use flyball_model::UnixNanos;
use flyball_store::LogPressure;

use crate::intake::Pipeline;
use crate::recovery::{self, RecoveryError};

/// Bytes of the log that are kept at the most, for what is not in the history yet. Beyond, the oldest leaves memory for the history, whatever
/// room there is: reading so much back takes a second or two.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Time between two checkpoints while the log is not too long.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

impl Pipeline {
    /// One round. Blocks.
    ///
    /// # Errors
    /// When the disk says no; nothing is lost then, and the next round tries again.
    pub(crate) fn maintain(&self, now: UnixNanos) -> Result<(), RecoveryError> {
        self.store.registry().sweep(now, self.limits.idle);
        if self.log.is_lost() {
            self.store.flush()?;
            self.checkpoint()?;
        }
        let log = self.log.stats();
        let evict_before = Position(self.log.end().0.saturating_sub(LOG_BYTES_MAX / 2));
        let evict_before = (log.kept_bytes > LOG_BYTES_MAX / 2).then_some(evict_before);
        self.store.maintain(now, LogPressure { evict_before })?;
        let since = self.clock.monotonic().as_secs().saturating_sub(self.checkpoint_at.load(Ordering::Relaxed));
        let is_due = since >= CHECKPOINT_EVERY.as_secs() || log.kept_bytes > LOG_BYTES_MAX;
        if is_due && self.log.has_surplus(recovery::needed_from(&self.log, &self.store)) {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Writes a checkpoint and has the log forget what is in the history. Blocks.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn checkpoint(&self) -> Result<(), LogError> {
        self.checkpoint_at.store(self.clock.monotonic().as_secs(), Ordering::Relaxed);
        recovery::checkpoint(&self.log, &self.normalizer, &self.twin, &self.known, &self.store)
    }
}
