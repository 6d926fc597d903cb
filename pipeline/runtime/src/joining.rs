//! The task that joins files of the history.

use std::sync::Arc;
use std::time::Duration;

use flyball_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::background;
use crate::idle::IdleCores;

/// How often it is looked whether there are files to be joined …
const JOIN_EVERY: Duration = Duration::from_secs(5);

/// … and when it is tried again after a failure.
const JOIN_PAUSE: Duration = Duration::from_secs(60);

/// A join keeps a core busy for seconds. It waits until this much is idle, or too many files wait.
const IDLE_MIN: f64 = 0.5;

/// Joins files of the history, as long as there are enough of them: when the machine has time, or when it can't be put off.
pub(crate) async fn join_history(store: Arc<Store>, idle: IdleCores, cancel: CancellationToken) {
    loop {
        let (store, idle, stop) = (Arc::clone(&store), Arc::clone(&idle), cancel.clone());
        let joining = background::run(move || match idle() >= IDLE_MIN || store.must_join_files() {
            true => store.join_files(&|| stop.is_cancelled()),
            false => Ok(None),
        });
        let pause = match joining.await {
            Ok(Ok(Some(_))) => Duration::ZERO,
            Ok(Ok(None) | Err(StoreError::Stopped)) => JOIN_EVERY,
            Ok(Err(error)) => {
                tracing::error!(%error, "files of the history can't be joined; they stay as they are");
                JOIN_PAUSE
            }
            Err(error) => {
                tracing::error!(%error, "files of the history can't be joined now; they stay as they are");
                JOIN_PAUSE
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
