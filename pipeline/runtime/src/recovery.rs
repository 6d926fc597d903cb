//! From a data folder to a running pipeline: what the last process acknowledged is there again.
//!
//! The store brings its series and its history; the log the rest, see [`flyball_log::Recovery`]. Each record is given back to whom it
//! belongs: points and rows to the store, which skips what is in the history; all points to the twin; totals to the normaliser; hashes to
//! the bodies that are known. After it the process is as one that never stopped, but for what nobody was told of.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flyball_log::{BadRecord, Damage, Durability, Log, LogError, Recovery, Replayed, Storage};
use flyball_model::ledger::{Entry, Outcome, Reason, Signal};
use flyball_model::state::State;
use flyball_model::{Clock, Limits, SeriesRef, UnixNanos};
use flyball_normalize::Normalizer;
use flyball_store::{Store, StoreError};
use flyball_twin::Twin;

use crate::intake::{Filled, Pipeline};
use crate::known::KnownBodies;

/// Where the log is, and what it promises.
#[derive(Debug, Clone)]
pub struct LogParts {
    /// The data folder.
    pub data_dir: PathBuf,
    /// The disk it is on.
    pub storage: Arc<dyn Storage>,
    /// What an acknowledgement promises.
    pub durability: Durability,
}

/// How far a start is, for who waits for it.
#[derive(Debug, Default)]
pub struct Progress {
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
}

impl Progress {
    /// The share of the log that was read, from 0 to 1.
    pub fn share(&self) -> f64 {
        let (done, total) = (self.done_bytes.load(Ordering::Relaxed), self.total_bytes.load(Ordering::Relaxed));
        if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) }
    }
}

/// A data folder that can't be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the log back. Blocks.
pub(crate) fn recover(
    parts: &LogParts,
    store: Arc<Store>,
    twin: Arc<Twin>,
    limits: &Limits,
    clock: &Arc<dyn Clock>,
    progress: &Progress,
) -> Result<(Filled, Vec<Damage>, State), RecoveryError> {
    let begun = clock.monotonic();
    let recovery = Recovery::open(&parts.data_dir, Arc::clone(&parts.storage))?;
    progress.total_bytes.store(recovery.bytes(), Ordering::Relaxed);
    let normalizer = Normalizer::new(Arc::clone(store.registry()), limits.clone());
    let known = KnownBodies::default();
    let mut restore = store.begin_restore();
    let mut store_error = None;
    let each = |replayed: Replayed<'_>| match replayed {
        Replayed::Body(body, position) => {
            let mut keep = || -> Result<(), StoreError> {
                restore.points(&body.points, &body.runs, position)?;
                for (rows, ordinal) in &body.rows {
                    restore.rows(rows.clone(), *ordinal, position)?;
                }
                Ok(())
            };
            if let Err(error) = keep() {
                let bad = bad(&error);
                store_error = Some(error);
                return Err(bad);
            }
            twin.observe(store.registry(), &body.points).map_err(|error| bad(&error))?;
            note_starts(&store, body.starts)?;
            if let Some((hash, told)) = body.fingerprint {
                known.learn(hash, told);
            }
            normalizer.restore_totals(body.totals).map_err(|error| bad(&error))
        }
        Replayed::Starts(starts) => note_starts(&store, starts),
        Replayed::Totals(totals) => normalizer.restore_totals(totals).map_err(|error| bad(&error)),
        Replayed::Twin(piece) => twin.restore(store.registry(), piece).map_err(|error| bad(&error)),
        Replayed::Fingerprint(hash, told) => {
            known.learn(hash, told);
            Ok(())
        }
    };
    let replayed = recovery.replay(parts.durability, each, |done| progress.done_bytes.store(done, Ordering::Relaxed));
    let recovered = match (replayed, store_error) {
        (_, Some(error)) => return Err(error.into()),
        (replayed, None) => replayed?,
    };
    restore.finish()?;
    let (bodies, damages) = (recovered.bodies, recovered.damages.clone());
    let before = {
        let store = Arc::clone(&store);
        move || store.sync_series().map_err(|error| error.to_string())
    };
    let (log, state) = Log::start(recovered, Box::new(before), Arc::clone(clock));
    if bodies > 0 {
        let took_ms = clock.monotonic().saturating_sub(begun).as_millis() as u64;
        tracing::info!(bodies, bytes = progress.total_bytes.load(Ordering::Relaxed), took_ms, "log read back");
    }
    let log = Arc::new(log);
    let waiting = Arc::downgrade(&log);
    store.wait_before_files(move || match waiting.upgrade() {
        Some(log) => log.wait_for_bodies().map_err(|error| error.to_string()),
        None => Ok(()),
    });
    Ok((Filled { store, twin, log, normalizer, known }, damages, state))
}

impl Pipeline {
    /// Tells what is damaged, in the log of the process and in the ledger, and moves what is good into the history, so that it is told once.
    /// Blocks.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn report(&self, damages: &[Damage]) -> Result<(), RecoveryError> {
        if damages.is_empty() {
            return Ok(());
        }
        for Damage { path, offset, bytes } in damages {
            tracing::error!(
                path = %path.display(),
                offset,
                bytes,
                "the log is damaged here: what was acknowledged and stood there is lost; all that can be read around it is kept; check the disk"
            );
            let mut entry = Entry::request("log", "local", Signal::Metrics, 0, self.clock.now());
            (entry.requests, entry.received) = (0, 1);
            entry.add(Outcome::Dropped, Reason::LogDamaged, 1);
            self.log.note(entry);
        }
        self.store.flush()?;
        Ok(self.checkpoint()?)
    }
}

fn note_starts(store: &Store, mut starts: Vec<(SeriesRef, UnixNanos)>) -> Result<(), BadRecord> {
    let view = store.registry().read();
    let known = view.series_count();
    if starts.iter().any(|(series, _)| series.0 as usize >= known) {
        return Err(BadRecord::new(format!("it speaks of a series that is not among the {known} of series.journal")));
    }
    view.note_starts(&mut starts);
    Ok(())
}

fn bad(error: &dyn std::fmt::Display) -> BadRecord {
    BadRecord::new(error.to_string())
}
