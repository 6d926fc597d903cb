//! Whose new points wake a rule.

use std::time::Duration;

use flyball_model::series::{LOGS, SPANS, TEXTS};
use flyball_model::{MetricRef, UnixNanos};
use flyball_store::Store;
use hashbrown::{HashMap, HashSet};

use super::RuleEvaluator;
use crate::catalog::TableRead;

/// What a rule reads, as far as points tell of it.
#[derive(Debug, Clone)]
pub enum Reads {
    /// Points of any metric: it reads the twin, `metrics` or `exemplars`.
    Any,
    /// Points of these metrics; of none, if it reads only flyball's own tables, or waits for a table that is not there yet.
    Metrics {
        /// Of the tables that it reads.
        metrics: HashSet<MetricRef>,
        /// How many metrics there were when it was planned. A newer one wakes it: it may belong to `power`, `logs` or `spans`, or fit a name
        /// better.
        known: u32,
    },
}

impl Reads {
    /// Of a rule that runs on its tick alone.
    pub fn nothing() -> Self {
        Reads::Metrics { metrics: HashSet::new(), known: u32::MAX }
    }

    /// From the tables of a rule's plan.
    pub fn of(evaluator: &RuleEvaluator, store: &Store) -> Self {
        let view = store.registry().read();
        let mut metrics = HashSet::new();
        for table in evaluator.reads() {
            match table {
                TableRead::Metric(metric) => drop(metrics.insert(*metric)),
                TableRead::Logs => metrics.extend(view.metric(LOGS)),
                TableRead::Spans => metrics.extend(view.metric(SPANS)),
                TableRead::Texts => metrics.extend(view.metric(TEXTS)),
                TableRead::Power => metrics.extend(store.power_metrics(&view)),
                TableRead::Metrics | TableRead::Exemplars => return Reads::Any,
                TableRead::System { schema, .. } if schema == "twin" => return Reads::Any,
                TableRead::System { .. } => {}
            }
        }
        Reads::Metrics { metrics, known: view.metric_count() as u32 }
    }

    /// When the first byte of the oldest of these points was received, if any of them concerns the rule.
    pub fn earliest(&self, woken: &HashMap<MetricRef, Duration>) -> Option<Duration> {
        match self {
            Reads::Any => woken.values().min().copied(),
            Reads::Metrics { metrics, known } => {
                let concerns = |metric: &MetricRef| metric.0 >= *known || metrics.contains(metric);
                woken.iter().filter(|(metric, _)| concerns(metric)).map(|(_, &received)| received).min()
            }
        }
    }

    /// The newest point of what is read; `None` where that means nothing.
    pub fn newest(&self, store: &Store) -> Option<UnixNanos> {
        match self {
            Reads::Any => None,
            Reads::Metrics { metrics, .. } => metrics.iter().filter_map(|&metric| store.newest(metric)).max(),
        }
    }
}
