//! The samples that made violations fire, read when their events are on their way already: nothing waits for them, and they take no thread
//! from those who deliver.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::{State, Transition};
use flyball_model::state::StateLog;
use flyball_model::{MetricRef, UnixNanos};
use flyball_rules::evaluate::latest_samples;
use flyball_rules::query::Database;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::dispatch::Dispatcher;

/// Of one evaluation that many come out of, so many violations get their samples: who looks at more looks at the table.
const VIOLATIONS_MAX: usize = 8;

/// Evaluations whose samples are still to be read; while so many are, those of further ones are left out.
const READINGS_MAX: usize = 64;

/// The events go first.
const AFTER: Duration = Duration::from_millis(100);

/// Readings that wait, and the one under way.
#[derive(Debug)]
pub(super) struct Evidence {
    readings: JoinSet<()>,
    one_at_a_time: Arc<Semaphore>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { readings: JoinSet::new(), one_at_a_time: Arc::new(Semaphore::new(1)) }
    }
}

impl Evidence {
    /// Reads the samples of what fires now, for the first time.
    pub(super) fn gather(
        &mut self,
        transitions: &[Transition],
        metric: impl FnOnce() -> Option<MetricRef>,
        database: &Database,
        into: (&Dispatcher, &Arc<dyn StateLog>),
        at: UnixNanos,
    ) {
        while self.readings.try_join_next().is_some() {}
        let fires = |transition: &&Transition| transition.state == State::Firing && transition.before == 0;
        let fired: Vec<_> = transitions.iter().filter(fires).take(VIOLATIONS_MAX).collect();
        if fired.is_empty() || self.readings.len() >= READINGS_MAX {
            return;
        }
        let Some(metric) = metric() else { return };
        let fired: Vec<_> = fired.into_iter().map(|fired| (fired.violation.clone(), fired.identity.clone())).collect();
        let (store, dispatcher, state) = (Arc::clone(database.store()), into.0.clone(), Arc::clone(into.1));
        let turn = Arc::clone(&self.one_at_a_time);
        self.readings.spawn(async move {
            tokio::time::sleep(AFTER).await;
            // The semaphore is never closed.
            let Ok(_turn) = turn.acquire().await else { return };
            let read = move || {
                for (violation, identity) in fired {
                    match latest_samples(&store, metric, &identity, at) {
                        Ok(samples) if samples.is_empty() => {}
                        Ok(samples) => dispatcher.note_samples(&violation, samples, &*state),
                        Err(error) => tracing::debug!(%error, violation, "the samples of a violation can't be read"),
                    }
                }
            };
            // What it was is lost when the process ends, and was told to nobody.
            let _ = tokio::task::spawn_blocking(read).await;
        });
    }

    /// Gives up what is under way.
    pub(super) fn stop(&mut self) {
        self.readings.abort_all();
    }

    #[cfg(test)]
    pub(super) async fn join(&mut self) {
        while self.readings.join_next().await.is_some() {}
    }
}
