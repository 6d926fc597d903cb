//! Reports in, the metrics of the Prometheus exporter out.

use std::sync::Arc;

use flyball_model::intake::{Context, Format};
use flyball_model::ledger::Reason;
use flyball_model::{Limits, SeriesRegistry};

use super::*;
use crate::Normalizer;

const NOW: UnixNanos = UnixNanos::from_secs(1_760_000_010);

const EMPTY: &str =
    r#"{"host":{"consumption":0.0,"timestamp":1760000000.5,"components":{"disks":null}},"consumers":[],"sockets":[]}"#;
const FULL: &str = r#"{"host":{"consumption":41250000.0,"timestamp":1760000002.5,"components":{"disks":[{"disk_type":"SSD","disk_mount_point":"/","disk_is_removable":false,"disk_file_system":"ext4","disk_total_bytes":"100","disk_available_bytes":"","disk_name":"sda"}]}},"consumers":[{"exe":"nginx","cmdline":"nginx -g x","pid":41,"resources_usage":{"cpu_usage":"3.25","memory_usage":"19632128","memory_virtual_usage":"0","disk_usage_write":"1","disk_usage_read":"2"},"consumption":1500.0,"timestamp":1760000002.5,"container":{"name":"web","id":"ab12","runtime":"containerd","scheduler":"kubernetes"}},{"exe":"a","pid":7,"resources_usage":null,"consumption":null,"timestamp":1760000002.5}],"sockets":[{"id":0,"consumption":30000000.0,"timestamp":1760000002.5,"domains":[{"name":"dram","consumption":2000000.0,"timestamp":1760000002.5}]}]}"#;

/// `metric{label=value,…} value` of every point, reasons with their counts, and reports with what is said of them.
type Found = (Vec<String>, Vec<(Reason, u64)>, Vec<(u64, String)>);

fn read(stream: &str, host: Option<&str>) -> Found {
    let registry = Arc::new(SeriesRegistry::new(1000));
    let normalizer = Normalizer::new(Arc::clone(&registry), Limits::default());
    let context = host.map(|host| Context { labels: vec![("host".into(), host.into())], ..Context::default() });
    let normalized =
        normalizer.normalize(Format::Scaphandre, stream.as_bytes(), context.as_ref(), NOW).expect("few reports");
    let view = registry.labels_in_memory();
    let points = normalized.points.iter().map(|(series, time, value)| {
        let labels: Vec<_> = view.labels(series).map(|(name, value)| format!("{name}={value}")).collect();
        assert!(time == UnixNanos(1_760_000_002_500_000_000) || time == NOW, "{time}");
        let metric = view.metric_of(series);
        assert_eq!(view.info(metric).kind, Kind::Gauge);
        format!("{}{{{}}} {value}", view.metric_name(metric), labels.join(","))
    });
    let rejections = normalized.rejections.iter().map(|refused| (refused.reason, refused.points)).collect();
    let faults = normalized.lines.iter().map(|fault| (fault.number, fault.message.clone())).collect();
    (points.collect(), rejections, faults)
}

const CONTAINER: &str = "cmdline=nginx -g x,container_id=ab12,container_names=web,container_runtime=containerd,container_scheduler=kubernetes,exe=nginx";

#[test]
fn a_report_becomes_the_metrics_of_the_prometheus_exporter() {
    let (points, rejections, _) = read(&format!("[{EMPTY},{FULL}"), None);
    let expected = [
        "scaph_host_power_microwatts{} 41250000".to_owned(),
        "scaph_host_disk_total_bytes{disk_file_system=ext4,disk_is_removable=false,disk_mount_point=/,disk_name=sda,disk_type=SSD} 100".to_owned(),
        "scaph_socket_power_microwatts{socket_id=0} 30000000".to_owned(),
        "scaph_domain_power_microwatts{domain_name=dram,socket_id=0} 2000000".to_owned(),
        format!("scaph_process_power_consumption_microwatts{{{CONTAINER},pid=41}} 1500"),
        format!("scaph_process_cpu_usage_percentage{{{CONTAINER},pid=41}} 3.25"),
        format!("scaph_process_memory_bytes{{{CONTAINER},pid=41}} 19632128"),
        format!("scaph_process_memory_virtual_bytes{{{CONTAINER},pid=41}} 0"),
        format!("scaph_process_disk_read_bytes{{{CONTAINER},pid=41}} 2"),
        format!("scaph_process_disk_write_bytes{{{CONTAINER},pid=41}} 1"),
    ];
    assert_eq!((points, rejections), (expected.to_vec(), vec![]));
}

#[test]
fn the_host_is_a_label_where_it_is_known() {
    let (points, ..) = read(FULL, Some("edge-1"));
    assert_eq!(points[0], "scaph_host_power_microwatts{host=edge-1} 41250000");
    assert_eq!(points[2], "scaph_socket_power_microwatts{host=edge-1,socket_id=0} 30000000");
}

#[test]
fn a_host_that_uses_nothing_is_believed_once_something_was_measured() {
    let idle = r#"{"host":{"consumption":0.0},"consumers":[],"sockets":[{"id":0,"consumption":0.0}]}"#;
    let (points, ..) = read(idle, None);
    assert_eq!(points, ["scaph_host_power_microwatts{} 0", "scaph_socket_power_microwatts{socket_id=0} 0"]);
}

#[test]
fn a_torn_report_is_told_and_the_good_ones_are_kept() {
    let (points, rejections, faults) = read(&format!("[{FULL},{}{EMPTY}{FULL}", &FULL[..300]), None);
    assert_eq!((points.len(), rejections), (20, vec![(Reason::BadReport, 1)]));
    assert_eq!(
        faults,
        [(2, format!("at byte {}: it is torn: it breaks off before its closing brace", FULL.len() + 2))]
    );
}

#[test]
fn times_that_are_far_off_are_refused_figure_by_figure() {
    let (points, rejections, _) = read(&FULL.replace("1760000002.5", "1960000002.5"), None);
    assert_eq!((points.len(), rejections), (0, vec![(Reason::TooFarInFuture, 10)]));
}

#[test]
fn seconds_become_instants_to_the_microsecond() {
    assert_eq!(nanos(1_760_000_000.5), UnixNanos(1_760_000_000_500_000_000));
    assert_eq!(nanos(1_760_000_000.123_456).0 / 1000, 1_760_000_000_123_456);
    assert_eq!(nanos(f64::MAX), UnixNanos::MAX);
    assert_eq!(nanos(-1.5), UnixNanos(-1_500_000_000));
}

#[test]
fn figures_that_are_missing_are_none() {
    assert_eq!((number("19632128"), number("3.25"), number(" 0 ")), (Some(19_632_128.0), Some(3.25), Some(0.0)));
    assert_eq!((number(""), number("n/a"), number("NaN")), (None, None, None));
}
