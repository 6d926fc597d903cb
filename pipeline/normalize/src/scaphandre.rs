//! Scaphandre's JSON reports: the same metrics and labels as its Prometheus exporter has, so that the table `power`, the twin and
//! the rules see no difference.
//!
//! | in a report | metric | labels |
//! |---|---|---|
//! | host | `scaph_host_power_microwatts` | |
//! | disk | `scaph_host_disk_{total,available}_bytes` | `disk_name`, `disk_type`, `disk_mount_point`, `disk_file_system`, `disk_is_removable` |
//! | socket | `scaph_socket_power_microwatts` | `socket_id` |
//! | domain | `scaph_domain_power_microwatts` | `socket_id`, `domain_name` |
//! | consumer | `scaph_process_power_consumption_microwatts` | `pid`, `exe`, `cmdline`, `container_{id,names,runtime,scheduler}` |
//! | its resources | `scaph_process_{cpu_usage_percentage,memory_bytes,memory_virtual_bytes,disk_read_bytes,disk_write_bytes}` | as the consumer |
//!
//! The first report is written before anything was measured: nothing used, no consumers, no sockets. Its 0 is no reading of
//! the host and is passed over. A figure that is missing (`null`, an empty text) is no point.

use flyball_decode::DecodeError;
use flyball_decode::scaphandre::{BadReport, Consumer, Disk, REPORTS_MAX, Report, Socket, reports};
use flyball_model::intake::LineFault;
use flyball_model::{Kind, Shape, UnixNanos};

use crate::describe::Description;
use crate::fault::{Fault, Trouble, part};
use crate::labels::{Level, merge};
use crate::rejections::Subject;
use crate::work::Work;

/// Walks a stream into the work.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, stream: &'a [u8]) -> Result<(), DecodeError> {
    let mut host = Level::default();
    let labels = work.context.map_or(&[][..], |context| &context.labels);
    let filled = labels.iter().try_for_each(|(name, value)| host.add(name.as_bytes(), value.as_bytes(), work.limits));
    let host = filled.and_then(|()| host.finish(work.limits)).map(|()| host);
    let mut walk = Walk { host, described: Vec::new() };
    for (index, report) in reports(stream).enumerate() {
        if index == REPORTS_MAX {
            return Err(DecodeError::TooMany { what: "reports", max: REPORTS_MAX });
        }
        match report {
            Ok(report) => walk.take(work, &report)?,
            Err(bad) => {
                work.met(1);
                refuse(work, &bad);
            }
        }
    }
    Ok(())
}

fn refuse(work: &mut Work<'_, '_>, bad: &BadReport) {
    work.rejections.add(&Fault::Report(bad.clone()), 1, Subject::Nothing);
    let message = format!("at byte {}: {}", bad.offset, bad.problem);
    work.bad_line(|| LineFault { number: bad.number, line: String::new(), message });
}

struct Walk<'a> {
    /// What the context says of all of them: whose reports they are.
    host: Result<Level<'a>, Fault<'a>>,
    described: Vec<&'static str>,
}

impl<'a> Walk<'a> {
    fn take(&mut self, work: &mut Work<'_, 'a>, report: &Report<'_>) -> Result<(), DecodeError> {
        let host_time = report.host.timestamp;
        let nothing_measured = report.consumers.is_empty() && report.sockets.is_empty();
        let host_power = report.host.consumption.filter(|&power| power != 0.0 || !nothing_measured);
        self.point(work, "scaph_host_power_microwatts", &[], host_time, host_power)?;
        for disk in report.host.components.iter().flat_map(|components| &components.disks) {
            self.take_disk(work, disk, host_time)?;
        }
        for socket in &report.sockets {
            self.take_socket(work, socket, host_time)?;
        }
        for consumer in &report.consumers {
            self.take_consumer(work, consumer, host_time)?;
        }
        Ok(())
    }

    fn take_disk(&mut self, work: &mut Work<'_, 'a>, disk: &Disk<'_>, at: Option<f64>) -> Result<(), DecodeError> {
        let labels = [
            ("disk_name", &*disk.disk_name),
            ("disk_type", &*disk.disk_type),
            ("disk_mount_point", &*disk.disk_mount_point),
            ("disk_file_system", &*disk.disk_file_system),
            ("disk_is_removable", if disk.disk_is_removable { "true" } else { "false" }),
        ];
        self.point(work, "scaph_host_disk_total_bytes", &labels, at, number(&disk.disk_total_bytes))?;
        self.point(work, "scaph_host_disk_available_bytes", &labels, at, number(&disk.disk_available_bytes))
    }

    fn take_socket(
        &mut self,
        work: &mut Work<'_, 'a>,
        socket: &Socket<'_>,
        host_time: Option<f64>,
    ) -> Result<(), DecodeError> {
        let id = socket.id.to_string();
        let at = socket.timestamp.or(host_time);
        self.point(work, "scaph_socket_power_microwatts", &[("socket_id", &id)], at, socket.consumption)?;
        for domain in &socket.domains {
            let labels = [("socket_id", &*id), ("domain_name", &*domain.name)];
            self.point(work, "scaph_domain_power_microwatts", &labels, domain.timestamp.or(at), domain.consumption)?;
        }
        Ok(())
    }

    fn take_consumer(
        &mut self,
        work: &mut Work<'_, 'a>,
        consumer: &Consumer<'_>,
        host_time: Option<f64>,
    ) -> Result<(), DecodeError> {
        let pid = consumer.pid.to_string();
        let mut labels = vec![("pid", &*pid), ("exe", &*consumer.exe), ("cmdline", &*consumer.cmdline)];
        if let Some(container) = &consumer.container {
            labels.extend([
                ("container_id", &*container.id),
                ("container_names", &*container.name),
                ("container_runtime", &*container.runtime),
                ("container_scheduler", &*container.scheduler),
            ]);
        }
        let at = consumer.timestamp.or(host_time);
        self.point(work, "scaph_process_power_consumption_microwatts", &labels, at, consumer.consumption)?;
        let Some(usage) = &consumer.resources_usage else { return Ok(()) };
        for (metric, text) in [
            ("scaph_process_cpu_usage_percentage", &usage.cpu_usage),
            ("scaph_process_memory_bytes", &usage.memory_usage),
            ("scaph_process_memory_virtual_bytes", &usage.memory_virtual_usage),
            ("scaph_process_disk_read_bytes", &usage.disk_usage_read),
            ("scaph_process_disk_write_bytes", &usage.disk_usage_write),
        ] {
            self.point(work, metric, &labels, at, number(text))?;
        }
        Ok(())
    }

    /// Takes a figure, if there is one.
    fn point(
        &mut self,
        work: &mut Work<'_, 'a>,
        metric: &'static str,
        labels: &[(&str, &str)],
        at: Option<f64>,
        value: Option<f64>,
    ) -> Result<(), DecodeError> {
        let Some(value) = value else { return Ok(()) };
        work.met(1);
        match part(self.find(work, metric, labels, at))? {
            Ok((series, time)) => work.push(series, time, value)?,
            Err(fault) => work.rejections.add(&fault, 1, Subject::Metric(metric.as_bytes())),
        }
        if !self.described.contains(&metric) {
            self.described.push(metric);
            work.news.note(work.registry, metric, &gauge(metric));
        }
        Ok(())
    }

    fn find<'l>(
        &'l self,
        work: &mut Work<'_, 'a>,
        metric: &str,
        labels: &[(&'l str, &'l str)],
        at: Option<f64>,
    ) -> Result<(flyball_model::SeriesRef, UnixNanos), Trouble<'l>> {
        let time = match at {
            Some(seconds) => work.window.check(nanos(seconds))?,
            None => work.window.now,
        };
        let host = self.host.as_ref().map_err(Clone::clone)?;
        let mut own = Level::default();
        for &(name, value) in labels {
            own.add(name.as_bytes(), value.as_bytes(), work.limits)?;
        }
        own.finish(work.limits)?;
        let mut merged = Vec::with_capacity(labels.len() + 1);
        merge(host, &own, work.limits, &mut merged)?;
        let series = work.registry.resolve(metric, Shape::Numbers, &merged, time).map_err(Fault::from)?;
        Ok((series, time))
    }
}

/// A figure that was written as text; empty where it was not known.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds with a fraction as an instant. The two parts are taken for themselves: together they have more digits than a float.
fn nanos(seconds: f64) -> UnixNanos {
    let whole = UnixNanos::from_secs(seconds.trunc() as i64);
    UnixNanos(whole.0.saturating_add((seconds.fract() * 1e9).round() as i64))
}

/// All of them are gauges; their units stand in their names, as the exporter's author meant them.
fn gauge(original: &str) -> Description<'_> {
    Description { original, kind: Kind::Gauge, unit: "".into(), temporality: None, monotonic: None, help: "".into() }
}

#[cfg(test)]
mod tests;
