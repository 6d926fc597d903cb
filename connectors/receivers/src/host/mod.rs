//! This machine's own metrics, under the names and units of Prometheus' node_exporter wherever it has one, so that rules
//! and dashboards do not care which of the two a host runs.
//!
//! | module | reads | gives |
//! |---|---|---|
//! | `portable` | sysinfo | load, file systems, network; elsewhere than on Linux also memory, CPU and temperatures |
//! | `linux` | `/proc`, `/sys` | what sysinfo lacks, by the modules below |
//! | `stat` | `/proc/stat` | CPU seconds by mode, interrupts, context switches, boot time |
//! | `meminfo` | `/proc/meminfo` | `node_memory_*_bytes` |
//! | `diskstats` | `/proc/diskstats` | `node_disk_*` |
//! | `thermal` | `/sys/class/thermal`, `/sys/class/hwmon` | temperatures |
//! | `rapl` | `/sys/class/powercap` | joules by zone |
//!
//! A reading becomes one `ExportMetricsServiceRequest` (`encode`) and goes through the [`Intake`] like everybody else's.
//! What can't be read (no such file, no permission) is left out; a machine without RAPL is not an error.

mod collect;
mod diskstats;
mod encode;
mod family;
mod linux;
mod meminfo;
mod portable;
mod rapl;
mod stat;
#[cfg(test)]
mod tests;
mod thermal;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flyball_model::admission::Lease;
use flyball_model::intake::{Encoding, Format};
use flyball_model::ledger::Signal;
use flyball_model::{Clock, Intake, Submission, UnixNanos};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use collect::Collector;

/// Readings closer together than this would measure mostly themselves.
const EVERY_MIN: Duration = Duration::from_millis(100);

/// How the host source reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOptions {
    /// The time between readings; 5 s by default, at least 100 ms.
    pub every: Duration,
    /// What to call this host in `host.name` and `instance`; by default what the system calls itself.
    pub host_name: Option<String>,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), host_name: None }
    }
}

/// Reads this machine's metrics at an interval and submits them as the receiver `host`, peer `local`.
#[derive(Debug)]
pub struct HostSource {
    options: HostOptions,
}

impl HostSource {
    /// A source that reads nothing until it runs.
    pub fn new(options: HostOptions) -> Self {
        Self { options }
    }

    /// Reads and submits until `cancel`: at once, then at every interval. An interval that is missed, because the machine
    /// slept or the pipeline was slow, is skipped and not made up for.
    ///
    /// # Cancel safety
    /// Dropping the future loses at most the reading in flight.
    pub async fn run(self, intake: Arc<dyn Intake>, clock: Arc<dyn Clock>, cancel: CancellationToken) {
        // Never `Some`: reading goes on until it is cancelled.
        let _ = cancel.run_until_cancelled(self.read_on(intake.as_ref(), clock)).await;
    }

    async fn read_on(self, intake: &dyn Intake, clock: Arc<dyn Clock>) -> Infallible {
        let mut ticks = tokio::time::interval(self.options.every.max(EVERY_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut collector = None;
        let mut refused = false;
        loop {
            ticks.tick().await;
            let options = self.options.clone();
            let (clock, was) = (Arc::clone(&clock), collector.take());
            // Files of `/proc` and `statvfs` can block: on a sleeping disk, on a dead network mount.
            let reading = tokio::task::spawn_blocking(move || {
                let mut collector = was.unwrap_or_else(|| Collector::new(options.host_name));
                let received_at = clock.now();
                let body = collector.request(received_at, clock.monotonic());
                (collector, received_at, body)
            });
            let (read, received_at, body) = match reading.await {
                Ok(reading) => reading,
                Err(error) => {
                    // What the reader remembered is gone with it; the next one starts afresh.
                    tracing::error!(%error, "reading this host's metrics failed");
                    continue;
                }
            };
            collector = Some(read);
            let outcome = intake.take(submission(body, received_at)).await;
            match outcome {
                Ok(_) if refused => tracing::info!("this host's metrics are taken again"),
                Err(ref refusal) if !refused => {
                    tracing::warn!(reason = refusal.message, "this host's metrics were refused; trying on");
                }
                _ => {}
            }
            refused = outcome.is_err();
        }
    }
}

fn submission(body: Bytes, received_at: UnixNanos) -> Submission {
    Submission {
        receiver: "host",
        peer: "local".to_owned(),
        format: Format::Otlp(Signal::Metrics),
        encoding: Encoding::Identity,
        body,
        received_at,
        context: None,
        lease: Lease::default(),
    }
}
