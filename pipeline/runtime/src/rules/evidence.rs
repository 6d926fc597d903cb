//! The samples that made violations fire, read when their events are on their way already: nothing waits for them.

use std::sync::Arc;

use flyball_model::UnixNanos;
use flyball_model::event::{State, Transition};
use flyball_model::state::StateLog;
use flyball_rules::evaluate::latest_samples;
use flyball_rules::query::Database;
use tokio::task::JoinSet;

use crate::dispatch::Dispatcher;

/// Of one evaluation that many come out of, so many violations get their samples: who looks at more looks at the table.
const VIOLATIONS_MAX: usize = 8;

/// Evaluations whose samples are read at once; while so many are, those of further ones are left out.
const READINGS_MAX: usize = 4;

/// Readings under way.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    readings: JoinSet<()>,
}

impl Evidence {
    /// Reads the samples of what fires now, for the first time.
    pub(super) fn gather(
        &mut self,
        transitions: &[Transition],
        metric: impl FnOnce() -> Option<String>,
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
        let (database, dispatcher, state) = (database.clone(), into.0.clone(), Arc::clone(into.1));
        self.readings.spawn(async move {
            for (violation, identity) in fired {
                let samples = latest_samples(&database, &metric, &identity, at).await;
                if !samples.is_empty() {
                    dispatcher.note_samples(&violation, samples, &*state);
                }
            }
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
