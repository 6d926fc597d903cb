//! From a data folder to a running pipeline: what the last process acknowledged is there again.
//!
//! The store brings its series and its history; the log the rest, see [`flyball_log::Recovery`]. Each record is given back to whom it
//! belongs: points and rows to the store, which skips what is in the history; all points to the twin; totals to the normaliser; hashes to
//! the bodies that are known. After it the process is as one that never stopped, but for what nobody was told of.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flyball_log::{BadRecord, Damage, Durability, Log, LogError, Recovery, Replayed, Storage};
use flyball_model::ledger::{Entry, Ledger, Outcome, Reason, Signal};
use flyball_model::state::State;
use flyball_model::{Clock, Limits, SeriesRef, UnixNanos};
use flyball_normalize::Normalizer;
use flyball_store::{Store, StoreError};
use flyball_twin::Twin;

use crate::intake::Filled;
use crate::known::KnownBodies;

/// Starts of sums in one record of a checkpoint.
const STARTS_AT_ONCE: usize = 64 * 1024;

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
) -> Result<(Filled, State), RecoveryError> {
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
            twin.observe(&store.registry().read(), &body.points);
            note_starts(&store, body.starts)?;
            if let Some((hash, told)) = body.fingerprint {
                known.learn(hash, told);
            }
            normalizer.restore_totals(body.totals).map_err(|error| bad(&error))
        }
        Replayed::Starts(starts) => note_starts(&store, starts),
        Replayed::Totals(totals) => normalizer.restore_totals(totals).map_err(|error| bad(&error)),
        Replayed::Twin(piece) => twin.restore(&store.registry().read(), piece).map_err(|error| bad(&error)),
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
    let ledger = Arc::<Ledger>::default();
    let before = {
        let store = Arc::clone(&store);
        move || store.sync_series().map_err(|error| error.to_string())
    };
    let (log, state) = Log::start(recovered, Arc::clone(&ledger), Box::new(before), Arc::clone(clock));
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
    let filled = Filled { store, twin, log, ledger, normalizer, known };
    if !damages.is_empty() {
        report(&filled, &damages, clock)?;
    }
    Ok((filled, state))
}

/// Tells what is damaged, in the log of the process and in the ledger, and moves what is good into the history, so that it is told once.
fn report(filled: &Filled, damages: &[Damage], clock: &Arc<dyn Clock>) -> Result<(), RecoveryError> {
    for Damage { path, offset, bytes } in damages {
        tracing::error!(
            path = %path.display(),
            offset,
            bytes,
            "the log is damaged here: what was acknowledged and stood there is lost; all that can be read around it is kept; check the disk"
        );
        let mut entry = Entry {
            receiver: Cow::Borrowed("log"),
            peer: "local".to_owned(),
            signal: Signal::Metrics,
            requests: 0,
            bytes: 0,
            received: 1,
            lines: Vec::new(),
            at: clock.now(),
        };
        entry.add(Outcome::Dropped, Reason::LogDamaged, 1);
        filled.log.note(entry);
    }
    filled.store.flush()?;
    filled.checkpoint()?;
    Ok(())
}

impl Filled {
    /// Has the log forget what is in the history.
    fn checkpoint(&self) -> Result<(), LogError> {
        checkpoint(&self.log, &self.normalizer, &self.twin, &self.known, &self.store)
    }
}

/// Writes a checkpoint and has the segments removed that nobody needs. Blocks.
pub(crate) fn checkpoint(
    log: &Log,
    normalizer: &Normalizer,
    twin: &Twin,
    known: &KnownBodies,
    store: &Store,
) -> Result<(), LogError> {
    let needed = needed_from(log, store);
    // Totals refer to series by number, and so does the twin.
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
pub(crate) fn needed_from(log: &Log, store: &Store) -> flyball_log::Position {
    // Bodies under way first: one that is stored in between is seen by the store.
    let under_way = log.needed_from();
    store.needed_from().map_or(under_way, |position| position.min(under_way))
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
