//! `for` and windows beside the distance of the samples.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan};
use flyball_model::time::duration_nanos;
use flyball_model::{MetricRef, UnixNanos};
use flyball_store::Store;

use super::super::codes::{FOR_TOO_SHORT, WINDOW_TOO_SHORT};
use super::Look;
use super::origin::relation_of;
use super::time::lower_bound;
use crate::catalog::TableRead;
use crate::definition::{Problem, format_duration};
use crate::functions::window_of;

/// Series of a metric that are looked at.
const SERIES_MAX: usize = 8;
/// How far back samples are looked at; the first of these in which there are enough.
const LOOK_BACKS: [Duration; 3] =
    [Duration::from_secs(600), Duration::from_secs(2 * 3600), Duration::from_secs(24 * 3600)];
/// Distances that make a median.
const DISTANCES_MIN: usize = 3;
/// Samples that are looked at: a metric may have millions in that time.
const SAMPLES_MAX: usize = 512;

/// What is known of the distances of samples, by metric.
#[derive(Default)]
pub(super) struct Intervals {
    known: HashMap<MetricRef, Option<Duration>>,
}

impl Intervals {
    async fn of(&mut self, metric: MetricRef, store: &Arc<Store>) -> Option<Duration> {
        if let Some(known) = self.known.get(&metric) {
            return *known;
        }
        let store = Arc::clone(store);
        // Samples may lie in files.
        let found = tokio::task::spawn_blocking(move || interval(&store, metric)).await.ok().flatten();
        self.known.insert(metric, found);
        found
    }
}

/// The usual distance of samples of a metric's series: the median of the newest ones.
fn interval(store: &Store, metric: MetricRef) -> Option<Duration> {
    let newest = store.newest(metric)?;
    let mut series = store.series_since(metric, newest.0.saturating_sub(duration_nanos(LOOK_BACKS[0])));
    series.truncate(SERIES_MAX);
    for look_back in LOOK_BACKS {
        let from = UnixNanos(newest.0.saturating_sub(duration_nanos(look_back)));
        let found = store.newest_samples(metric, &series, from, newest, SAMPLES_MAX).ok()?;
        let mut distances: Vec<i64> = found
            .iter()
            .flat_map(|samples| samples.times.array_windows().map(|[before, after]| after - before))
            .collect();
        if distances.len() >= DISTANCES_MIN {
            distances.sort_unstable();
            let median = distances[distances.len() / 2];
            return u64::try_from(median).ok().map(Duration::from_nanos);
        }
    }
    None
}

/// A window of the query over a metric.
struct Span {
    metric: MetricRef,
    /// How far it reaches back.
    length: Option<Duration>,
    /// Samples that it needs.
    needs: u32,
}

pub(super) async fn check(look: &mut Look<'_>, intervals: &mut Intervals) {
    let mut longest: Option<(Duration, String)> = None;
    for span in spans(look) {
        let store = look.database.store();
        let Some(interval) = intervals.of(span.metric, store).await else { continue };
        let name = store.registry().read().metric_name(span.metric).to_string();
        if let Some(length) = span.length.filter(|length| *length < interval * span.needs) {
            let message = format!(
                "the window of {} over '{name}' is too short for samples {} apart",
                format_duration(length),
                format_duration(interval)
            );
            let needs = if span.needs > 1 { "two samples in it are needed; " } else { "" };
            let hint = format!("{needs}take {} or more", format_duration(interval * 4));
            look.note(WINDOW_TOO_SHORT, None, Some(&name), message, hint);
        }
        if longest.as_ref().is_none_or(|longest| longest.0 < interval) {
            longest = Some((interval, name));
        }
    }
    let for_ = look.rule.for_;
    if let Some((interval, name)) = longest.filter(|longest| !for_.is_zero() && for_ < longest.0) {
        let message = format!(
            "'for: {}' is shorter than the distance of samples of '{name}', {}: one sample decides",
            format_duration(for_),
            format_duration(interval)
        );
        let hint = format!("make it {} or more, or leave it out", format_duration(interval * 2));
        look.found.push(Problem::warning(look.rule.place.clone(), message).hint(hint).code(FOR_TOO_SHORT));
    }
}

/// Rows of every metric that the query reads, and how far back.
fn spans(look: &Look<'_>) -> Vec<Span> {
    let mut spans = Vec::new();
    let _ = look.query.optimized.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(relation) = relation_of(scan)
            && let TableRead::Metric(metric) = relation.read
        {
            let range = window_of(relation.table.as_ref());
            spans.push(match range {
                Some((length, needs)) => Span { metric, length: Some(length), needs },
                None => Span { metric, length: scan.filters.iter().filter_map(length_of).min(), needs: 1 },
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    spans
}

/// How far back `time > now() - INTERVAL …` reaches.
fn length_of(filter: &Expr) -> Option<Duration> {
    let from = lower_bound(filter).filter(|&from| from < 0)?;
    Some(Duration::from_nanos(from.unsigned_abs()))
}
