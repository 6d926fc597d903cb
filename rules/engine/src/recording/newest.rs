//! The newest points of series, from the store.

use flyball_model::{SeriesRef, Shape, UnixNanos};
use flyball_store::Store;
use hashbrown::HashMap;

use super::Labels;

/// The newest point of each of these series of a metric, as far as it is not before the time beside it: those that came since the process
/// started, and what the history has from then on. Reads files only where some hold points that new. Blocks.
///
/// # Errors
/// When these can't be read, in a sentence.
pub fn newest(store: &Store, metric: &str, series: &[(&Labels, UnixNanos)]) -> Result<Vec<Option<UnixNanos>>, String> {
    let registry = store.registry();
    let known: Vec<Option<SeriesRef>> = series
        .iter()
        .map(|(labels, _)| {
            let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            registry.known(metric, Shape::Numbers, &labels)
        })
        .collect();
    let (mut times, metric) = {
        let view = registry.read();
        let times = known.iter().map(|series| view.last_at((*series)?)).collect::<Vec<_>>();
        (times, view.metric(metric))
    };
    let unseen = || known.iter().zip(&times).filter(|(_, time)| time.is_none()).filter_map(|(series, _)| *series);
    let unseen: Vec<SeriesRef> = unseen().collect();
    let (Some(metric), Some(from)) = (metric, series.iter().map(|(_, from)| from.0).min()) else { return Ok(times) };
    if unseen.is_empty() {
        return Ok(times);
    }
    let found = store.samples(metric, Some(&unseen), UnixNanos(from.saturating_sub(1)), UnixNanos::MAX);
    let found = found.map_err(|error| format!("what was recorded before can't be read: {error}"))?;
    let found: HashMap<SeriesRef, i64> =
        found.iter().filter_map(|samples| Some((samples.series, *samples.times.last()?))).collect();
    for (time, series) in times.iter_mut().zip(&known) {
        *time = time.or_else(|| series.and_then(|series| found.get(&series).copied().map(UnixNanos)));
    }
    Ok(times)
}
