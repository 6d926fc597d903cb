//! The log and what waits before it.

use flyball_log::Durability;

use super::Page;
use crate::intake::Pipeline;

pub(super) fn write(page: &mut Page, pipeline: &Pipeline) {
    let (stats, durability) = (pipeline.log.stats(), pipeline.log.durability());
    page.family("flyball_log_durability", "gauge", "What an acknowledgement promises; 1 for the level in force.");
    for level in [Durability::Fsync, Durability::Flush, Durability::Memory] {
        page.sample("flyball_log_durability", &[("level", level.as_str())], f64::from(level == durability));
    }
    let durable = f64::from(pipeline.log.trouble().is_none());
    page.single(
        "flyball_log_writable",
        "gauge",
        "1 while the log can be written, 0 while the disk refuses it.",
        durable,
    );
    let counter = |page: &mut Page, name, help, value: u64| page.single(name, "counter", help, value as f64);
    counter(page, "flyball_log_groups_total", "Groups of records written, each synced as promised.", stats.groups);
    counter(page, "flyball_log_records_total", "Records written.", stats.records);
    counter(page, "flyball_log_bytes_total", "Bytes written.", stats.bytes);
    counter(page, "flyball_log_failures_total", "Groups that the disk refused, each try counted.", stats.failures);
    counter(page, "flyball_log_checkpoints_total", "Checkpoints written.", stats.checkpoints);
    page.single(
        "flyball_log_write_seconds_total",
        "counter",
        "Time spent writing and syncing groups.",
        stats.write_nanos as f64 / 1e9,
    );
    page.single("flyball_log_segments", "gauge", "Segments on the disk.", stats.segments as f64);
    page.single("flyball_log_kept_bytes", "gauge", "Bytes of the log that are kept.", stats.kept_bytes as f64);

    let admission = pipeline.admission.status();
    let gauge = |page: &mut Page, name, help, value: f64| page.single(name, "gauge", help, value);
    gauge(
        page,
        "flyball_in_flight_bytes",
        "Bytes of bodies under way, and of what they become.",
        admission.in_flight_bytes as f64,
    );
    gauge(page, "flyball_in_flight_bytes_max", "The most of them.", admission.in_flight_bytes_max as f64);
    gauge(page, "flyball_bodies_working", "Bodies worked on.", admission.working as f64);
    gauge(page, "flyball_bodies_waiting", "Bodies that wait for their turn.", admission.waiting as f64);
    gauge(page, "flyball_bodies_waiting_bytes", "Their bytes.", admission.waiting_bytes as f64);
    gauge(page, "flyball_bodies_wait_seconds", "How long a body that comes now waits.", admission.wait.as_secs_f64());
    page.family("flyball_bodies_refused_total", "counter", "Bodies that were told to come again, by why.");
    for (why, count) in [
        ("crowded", admission.refused_crowded),
        ("busy", admission.refused_busy),
        ("throttled", admission.refused_throttled),
    ] {
        page.sample("flyball_bodies_refused_total", &[("why", why)], count as f64);
    }
}
