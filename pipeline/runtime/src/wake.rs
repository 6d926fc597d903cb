//! What intake tells the rules: which tables have new data, and since when it waits to be looked at.
//!
//! A set, not a queue: however fast points come, it holds at most one entry a metric, and telling never blocks.

use std::time::Duration;

use flyball_model::MetricRef;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Metrics with points that no rule has looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pending: Mutex<HashMap<MetricRef, Duration>>,
    notify: Notify,
}

impl Wake {
    /// These metrics have new points; `received` is when the first byte of their request was there, on the monotonic clock.
    pub(crate) fn tell(&self, metrics: &[MetricRef], received: Duration) {
        if metrics.is_empty() {
            return;
        }
        let mut pending = self.pending.lock();
        for &metric in metrics {
            // The earliest stays: the decision's latency is that of the point that waited longest.
            pending.entry(metric).or_insert(received);
        }
        drop(pending);
        self.notify.notify_one();
    }

    /// Waits until something is pending.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken until [`Wake::take`].
    pub(crate) async fn pending(&self) {
        self.notify.notified().await;
    }

    /// Takes everything that is pending.
    pub(crate) fn take(&self) -> HashMap<MetricRef, Duration> {
        std::mem::take(&mut *self.pending.lock())
    }

    /// How many metrics wait.
    pub(crate) fn len(&self) -> usize {
        self.pending.lock().len()
    }
}
