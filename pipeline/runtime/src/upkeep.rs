//! Upkeep: what is too old or too much leaves memory for the history, and what is safe there leaves the log.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flyball_log::{LogError, Position};
use flyball_model::UnixNanos;
use flyball_store::LogPressure;

use crate::intake::Pipeline;
use crate::recovery::RecoveryError;

/// Bytes of the log that are kept at the most, for what is not in the history yet. Beyond, the oldest leaves memory for the history, whatever
/// room there is: reading so much back takes a second or two.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Starts of sums in one record of a checkpoint.
const STARTS_AT_ONCE: usize = 64 * 1024;

/// Time between two checkpoints while the log is not too long.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

impl Pipeline {
    /// One round. Blocks.
    ///
    /// # Errors
    /// When the disk says no; nothing is lost then, and the next round tries again.
    pub(crate) fn maintain(&self, now: UnixNanos) -> Result<(), RecoveryError> {
        self.sweep(now);
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
        if is_due && self.log.has_surplus(self.log_needed_from()) {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Counts the active series; the labels of idle ones leave the memory, those of series that came back return.
    pub(crate) fn sweep(&self, now: UnixNanos) {
        if let Err(error) = self.store.registry().sweep(now, self.limits.idle) {
            tracing::warn!(%error, "labels are not in memory again yet; whoever needs them tries to read them");
        }
    }

    /// Writes a checkpoint and has the log forget what is in the history. Blocks.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn checkpoint(&self) -> Result<(), LogError> {
        self.checkpoint_at.store(self.clock.monotonic().as_secs(), Ordering::Relaxed);
        let Self { log, normalizer, twin, known, store, .. } = self;
        // Before the names of the series are synced that what follows speaks of.
        let needed = self.log_needed_from();
        store.sync_series().map_err(|error| LogError::Before(error.to_string()))?;
        log.checkpoint(needed, |checkpoint| {
            normalizer.export_totals(|piece| checkpoint.totals(piece))?;
            twin.export(|piece| checkpoint.twin(piece))?;
            let starts: Vec<_> = store.registry().read().starts().collect();
            starts.chunks(STARTS_AT_ONCE).try_for_each(|starts| checkpoint.starts(starts))?;
            known.all().iter().try_for_each(|(hash, told)| checkpoint.fingerprint(*hash, told))?;
            log.wait_for_bodies()
        })
    }

    /// From where on the log is needed.
    fn log_needed_from(&self) -> Position {
        // Bodies under way first: one that is stored in between is seen by the store.
        let under_way = self.log.needed_from();
        self.store.needed_from().map_or(under_way, |position| position.min(under_way))
    }
}
