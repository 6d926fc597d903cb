//! `/proc/diskstats`: reads and writes of block devices (source: the kernel's `Documentation/admin-guide/iostats.rst`).

use super::family::Family;

/// The kernel's number in the metric's unit.
type Convert = fn(u64) -> f64;

const COUNT: Convert = |count| count as f64;
/// Sectors are counted in 512 bytes, whatever the device's own are.
const SECTORS: Convert = |sectors| sectors as f64 * 512.0;
const MILLIS: Convert = |millis| millis as f64 / 1e3;

/// Columns after the device's name: metric, unit, conversion, help. Old kernels have only the first eleven.
const COLUMNS: [(&str, &str, Convert, &str); 17] = [
    ("node_disk_reads_completed_total", "{read}", COUNT, "Reads completed"),
    ("node_disk_reads_merged_total", "{read}", COUNT, "Reads merged with a neighbour before they were queued"),
    ("node_disk_read_bytes_total", "By", SECTORS, "Bytes read"),
    ("node_disk_read_time_seconds_total", "s", MILLIS, "Time that all reads took together"),
    ("node_disk_writes_completed_total", "{write}", COUNT, "Writes completed"),
    ("node_disk_writes_merged_total", "{write}", COUNT, "Writes merged with a neighbour before they were queued"),
    ("node_disk_written_bytes_total", "By", SECTORS, "Bytes written"),
    ("node_disk_write_time_seconds_total", "s", MILLIS, "Time that all writes took together"),
    (IO_NOW, "{operation}", COUNT, "Operations in flight"),
    ("node_disk_io_time_seconds_total", "s", MILLIS, "Time with at least one operation in flight"),
    ("node_disk_io_time_weighted_seconds_total", "s", MILLIS, "Time in flight, times the operations in flight"),
    ("node_disk_discards_completed_total", "{discard}", COUNT, "Discards completed"),
    ("node_disk_discards_merged_total", "{discard}", COUNT, "Discards merged with a neighbour before they were queued"),
    ("node_disk_discarded_sectors_total", "{sector}", COUNT, "Sectors of 512 bytes discarded"),
    ("node_disk_discard_time_seconds_total", "s", MILLIS, "Time that all discards took together"),
    ("node_disk_flush_requests_total", "{flush}", COUNT, "Flushes completed"),
    ("node_disk_flush_requests_time_seconds_total", "s", MILLIS, "Time that all flushes took together"),
];

/// The only one that is not a counter.
const IO_NOW: &str = "node_disk_io_now";

/// Reads `/proc/diskstats`, leaving out what node_exporter leaves out: partitions, RAM disks, loop devices, floppies.
pub(super) fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<_> = COLUMNS
        .iter()
        .map(|&(name, unit, _, help)| match name {
            IO_NOW => Family::gauge(name, unit, help),
            _ => Family::counter(name, unit, help),
        })
        .collect();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(2);
        let Some(device) = words.next().filter(|device| !is_left_out(device)) else { continue };
        let numbers = words.map_while(|word| word.parse::<u64>().ok());
        for ((family, column), number) in families.iter_mut().zip(&COLUMNS).zip(numbers) {
            family.push(&[("device", device)], column.2(number));
        }
    }
    families
}

/// Whether the name ends in a number after `ram`, `zram`, `loop`, `fd`, a disk such as `sda`, or `nvme0n1p`.
fn is_left_out(device: &str) -> bool {
    let base = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if base.len() == device.len() {
        return false;
    }
    let is_partition = ["hd", "sd", "vd", "xvd"].iter().any(|bus| {
        base.strip_prefix(bus).is_some_and(|disk| disk.len() == 1 && disk.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    matches!(base, "ram" | "zram" | "loop" | "fd") || is_partition || is_nvme_partition(base)
}

/// `nvme0n1p`.
fn is_nvme_partition(base: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    base.strip_prefix("nvme")
        .and_then(|rest| rest.strip_suffix('p'))
        .and_then(|rest| rest.split_once('n'))
        .is_some_and(|(controller, namespace)| is_number(controller) && is_number(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::family::{Kind, value};

    #[test]
    fn columns_become_metrics_in_bytes_and_seconds() {
        let text = " 254 0 vda 102799 16554 14410610 77134 14993 47418 12863912 46361 2 17872 125437 11912 29 1180640 1905 917 36\n\
            8 0 sdb 1 2 3 4 5 6 7 8 9 10 11\n\
            254 1 vda1 1 1 1 1 1 1 1 1 1 1 1\n\
            253 0\n";
        let families = families(text);
        let vda = |name| value(&families, name, &[("device", "vda")]);
        assert_eq!(vda("node_disk_reads_completed_total"), Some(102_799.0));
        assert_eq!(vda("node_disk_read_bytes_total"), Some(14_410_610.0 * 512.0));
        assert_eq!(vda("node_disk_io_time_seconds_total"), Some(17.872));
        assert_eq!(vda("node_disk_io_now"), Some(2.0));
        assert_eq!(vda("node_disk_flush_requests_time_seconds_total"), Some(0.036));
        assert_eq!(value(&families, "node_disk_flush_requests_total", &[("device", "sdb")]), None);
        assert_eq!(value(&families, "node_disk_reads_completed_total", &[("device", "vda1")]), None);
        let gauges: Vec<_> = families.iter().filter(|family| family.kind == Kind::Gauge).map(|f| &f.name).collect();
        assert_eq!(gauges, ["node_disk_io_now"]);
    }

    #[test]
    fn partitions_and_memory_devices_are_left_out() {
        for device in ["sda1", "xvda12", "nvme0n1p3", "loop0", "ram15", "zram0", "fd0", "hdb2"] {
            assert!(is_left_out(device), "{device}");
        }
        for device in ["sda", "nvme0n1", "dm-0", "md127", "sdaa1", "mmcblk0", "sr0", "nvmexn1p1"] {
            assert!(!is_left_out(device), "{device}");
        }
    }
}
