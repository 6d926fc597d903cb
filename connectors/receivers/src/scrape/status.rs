//! The targets, for whoever asks what is scraped and why not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::relabel::LabelSet;
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};

use super::target::Target;

/// All targets that are asked.
#[derive(Debug, Default)]
pub struct Targets {
    active: RwLock<Active>,
    /// Discovered and not asked, by job.
    dropped: Mutex<BTreeMap<String, usize>>,
}

#[derive(Debug, Default)]
struct Active {
    next: u64,
    targets: BTreeMap<u64, Arc<TargetStatus>>,
}

/// A target and its last scrape.
#[derive(Debug)]
pub(super) struct TargetStatus {
    number: u64,
    job: String,
    discovered: LabelSet,
    pub(super) target: Target,
    last: Mutex<Option<Last>>,
}

#[derive(Debug, Clone)]
struct Last {
    at: UnixNanos,
    took: Duration,
    error: Option<String>,
}

impl Targets {
    /// How many are asked.
    pub fn len(&self) -> usize {
        self.active.read().targets.len()
    }

    /// Whether nobody is asked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a target up, unless there are `max` already.
    pub(super) fn add(&self, job: &str, discovered: LabelSet, target: Target, max: usize) -> Option<Arc<TargetStatus>> {
        let mut active = self.active.write();
        if active.targets.len() >= max {
            return None;
        }
        let number = active.next;
        let status = TargetStatus { number, job: job.to_owned(), discovered, target, last: Mutex::default() };
        let status = Arc::new(status);
        active.targets.insert(number, Arc::clone(&status));
        active.next += 1;
        Some(status)
    }

    pub(super) fn remove(&self, status: &Arc<TargetStatus>) {
        self.active.write().targets.remove(&status.number);
    }

    pub(super) fn set_dropped(&self, job: &str, count: usize) {
        self.dropped.lock().insert(job.to_owned(), count);
    }

    /// What Prometheus answers at `/api/v1/targets`.
    pub fn document(&self) -> Value {
        let mut active: Vec<_> = self.active.read().targets.values().cloned().collect();
        active.sort_by(|a, b| (&a.job, a.target.url.as_str()).cmp(&(&b.job, b.target.url.as_str())));
        let active: Vec<_> = active.iter().map(|target| target.document()).collect();
        let dropped = self.dropped.lock().clone();
        json!({
            "status": "success",
            "data": {"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": dropped},
        })
    }
}

impl TargetStatus {
    pub(super) fn scraped(&self, at: UnixNanos, took: Duration, error: Option<String>) {
        *self.last.lock() = Some(Last { at, took, error });
    }

    /// Whether the last scrape failed; `None` before the first.
    pub(super) fn failed(&self) -> Option<bool> {
        self.last.lock().as_ref().map(|last| last.error.is_some())
    }

    fn document(&self) -> Value {
        let last = self.last.lock().clone();
        let health = match &last {
            None => "unknown",
            Some(Last { error: None, .. }) => "up",
            Some(_) => "down",
        };
        // Go's zero time, where there was no scrape yet.
        let at = last.as_ref().map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |last| last.at.to_string());
        json!({
            "discoveredLabels": self.discovered,
            "labels": self.target.labels,
            "scrapePool": self.job,
            "scrapeUrl": self.target.url.as_str(),
            "globalUrl": self.target.url.as_str(),
            "lastError": last.as_ref().and_then(|last| last.error.as_deref()).unwrap_or_default(),
            "lastScrape": at,
            "lastScrapeDuration": last.map_or(0.0, |last| last.took.as_secs_f64()),
            "health": health,
            "scrapeInterval": format!("{:?}", self.target.every),
            "scrapeTimeout": format!("{:?}", self.target.timeout),
        })
    }
}
