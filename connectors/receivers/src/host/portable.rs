//! What sysinfo tells on every system, and what it must stand in for where there is no `/proc`.

use std::time::Duration;

use sysinfo::{Components, DiskRefreshKind, Disks, Networks, System};

use super::family::Family;

/// File systems that are no storage of this host's own, beyond those that sysinfo leaves out. `overlay` is one layer of a
/// container over another; only as the root does it stand for anything.
const FILE_SYSTEMS_LEFT_OUT: [&str; 11] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "configfs",
    "debugfs",
    "fusectl",
    "nsfs",
    "procfs",
    "securityfs",
    "selinuxfs",
    "tracefs",
];
/// Folders whose mounts belong to the system or to containers.
const MOUNTS_LEFT_OUT: [&str; 5] = ["/dev", "/proc", "/sys", "/var/lib/docker", "/var/lib/containers/storage"];

/// sysinfo's view of disks and networks.
#[derive(Debug)]
pub(super) struct Portable {
    disks: Option<Disks>,
    networks: Option<Networks>,
}

impl Portable {
    pub(super) fn new() -> Self {
        Self { disks: Disks::new().ok(), networks: Networks::new().ok() }
    }

    /// One reading of what is the same everywhere.
    pub(super) fn families(&mut self) -> Vec<Family> {
        let mut families = load();
        families.extend(self.file_systems());
        families.extend(self.networks());
        families
    }

    fn file_systems(&mut self) -> Vec<Family> {
        let mut size = Family::gauge("node_filesystem_size_bytes", "By", "Size of a file system");
        let mut available =
            Family::gauge("node_filesystem_avail_bytes", "By", "Space that users other than root may still fill");
        let mut read_only = Family::gauge("node_filesystem_readonly", "1", "1 when a file system can't be written to");
        if let Some(disks) = &mut self.disks {
            disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
            for disk in disks.iter() {
                let (device, kind, mount) = (disk.name().display().to_string(), disk.file_system(), disk.mount_point());
                let (kind, mount) = (kind.display().to_string(), mount.display().to_string());
                if disk.total_space() == 0 || is_left_out(&kind, &mount) {
                    continue;
                }
                let labels = [("device", device.as_str()), ("fstype", &kind), ("mountpoint", &mount)];
                size.push(&labels, disk.total_space() as f64);
                available.push(&labels, disk.available_space() as f64);
                read_only.push(&labels, f64::from(u8::from(disk.is_read_only())));
            }
        }
        vec![size, available, read_only]
    }

    fn networks(&mut self) -> Vec<Family> {
        let counter = |name, unit, help| Family::counter(name, unit, help);
        let mut families = [
            counter("node_network_receive_bytes_total", "By", "Bytes received"),
            counter("node_network_receive_packets_total", "{packet}", "Packets received"),
            counter("node_network_receive_errs_total", "{error}", "Packets received wrongly"),
            counter("node_network_transmit_bytes_total", "By", "Bytes sent"),
            counter("node_network_transmit_packets_total", "{packet}", "Packets sent"),
            counter("node_network_transmit_errs_total", "{error}", "Packets that could not be sent"),
        ];
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            // In the same order every time: a series that follows its predecessor is found faster.
            let mut devices: Vec<_> = networks.iter().collect();
            devices.sort_unstable_by_key(|(device, _)| *device);
            for (device, data) in devices {
                let device = device.display().to_string();
                let totals = [
                    data.total_received(),
                    data.total_packets_received(),
                    data.total_errors_on_received(),
                    data.total_transmitted(),
                    data.total_packets_transmitted(),
                    data.total_errors_on_transmitted(),
                ];
                for (family, total) in families.iter_mut().zip(totals) {
                    family.push(&[("device", &device)], total as f64);
                }
            }
        }
        families.into()
    }
}

fn load() -> Vec<Family> {
    let Ok(load) = System::load_average() else { return Vec::new() };
    vec![
        Family::gauge("node_load1", "1", "Load average over 1 minute").of(load.one),
        Family::gauge("node_load5", "1", "Load average over 5 minutes").of(load.five),
        Family::gauge("node_load15", "1", "Load average over 15 minutes").of(load.fifteen),
    ]
}

fn is_left_out(kind: &str, mount: &str) -> bool {
    let is_below = |folder| {
        let rest: Option<&str> = mount.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_layer = kind == "overlay" && mount != "/";
    is_layer || FILE_SYSTEMS_LEFT_OUT.contains(&kind) || MOUNTS_LEFT_OUT.into_iter().any(is_below)
}

/// What stands in for `/proc` on other systems, under Linux' names so that the same rules work. CPU seconds are summed up
/// from sysinfo's usage, as the modes `user` (busy) and `idle`, and count from the first reading.
#[derive(Debug)]
pub(super) struct NoProc {
    system: Option<System>,
    components: Option<Components>,
    cpu_seconds: Vec<(f64, f64)>,
    last: Option<Duration>,
}

impl NoProc {
    pub(super) fn new() -> Self {
        Self { system: System::new().ok(), components: Components::new().ok(), cpu_seconds: Vec::new(), last: None }
    }

    /// One reading; `monotonic` as [`flyball_model::Clock::monotonic`].
    pub(super) fn families(&mut self, monotonic: Duration) -> Vec<Family> {
        let elapsed = self.last.replace(monotonic).map_or(Duration::ZERO, |last| monotonic.saturating_sub(last));
        let mut families = self.temperatures();
        let Some(system) = &mut self.system else { return families };
        system.refresh_memory();
        let gauge = |name, help, bytes: u64| Family::gauge(name, "By", help).of(bytes as f64);
        families.extend([
            gauge("node_memory_MemTotal_bytes", "Memory", system.total_memory()),
            gauge("node_memory_MemFree_bytes", "Memory that nothing uses", system.free_memory()),
            gauge("node_memory_MemAvailable_bytes", "Memory that programs could have", system.available_memory()),
            gauge("node_memory_SwapTotal_bytes", "Swap space", system.total_swap()),
            gauge("node_memory_SwapFree_bytes", "Swap space that nothing uses", system.free_swap()),
        ]);
        system.refresh_cpu_usage();
        self.cpu_seconds.resize(system.cpus().len(), (0.0, 0.0));
        let mut cpu_seconds = Family::counter("node_cpu_seconds_total", "s", "Time that each CPU spent in each mode");
        for (cpu, ((busy, idle), now)) in self.cpu_seconds.iter_mut().zip(system.cpus()).enumerate() {
            let share = f64::from(now.usage() / 100.0).clamp(0.0, 1.0);
            *busy += elapsed.as_secs_f64() * share;
            *idle += elapsed.as_secs_f64() * (1.0 - share);
            let cpu = cpu.to_string();
            cpu_seconds.push(&[("cpu", &cpu), ("mode", "user")], *busy);
            cpu_seconds.push(&[("cpu", &cpu), ("mode", "idle")], *idle);
        }
        families.push(cpu_seconds);
        if let Ok(boot) = System::boot_time() {
            families.push(
                Family::gauge("node_boot_time_seconds", "s", "When this host was started, since 1970").of(boot as f64),
            );
        }
        families
    }

    fn temperatures(&mut self) -> Vec<Family> {
        let mut family = Family::gauge("node_hwmon_temp_celsius", "Cel", "Temperature at a sensor");
        if let Some(components) = &mut self.components {
            components.refresh(true);
            for component in components.iter() {
                if let Some(temperature) = component.temperature() {
                    family.push(&[("chip", "system"), ("sensor", component.label())], f64::from(temperature));
                }
            }
        }
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::family::value;

    #[test]
    fn mounts_of_the_system_and_of_containers_are_left_out() {
        for (kind, mount) in [
            ("tracefs", "/x"),
            ("ext4", "/dev/x"),
            ("ext4", "/proc"),
            ("overlay", "/var/lib/docker/overlay2/a/merged"),
            ("overlay", "/srv/x"),
        ] {
            assert!(is_left_out(kind, mount), "{kind} {mount}");
        }
        for (kind, mount) in [("ext4", "/"), ("overlay", "/"), ("xfs", "/developers"), ("btrfs", "/var/lib")] {
            assert!(!is_left_out(kind, mount), "{kind} {mount}");
        }
    }

    #[test]
    fn without_proc_cpu_seconds_add_up_to_the_time_that_passed() {
        let mut system = NoProc::new();
        system.families(Duration::from_secs(10));
        let families = system.families(Duration::from_secs(13));
        let cpu = |mode| value(&families, "node_cpu_seconds_total", &[("cpu", "0"), ("mode", mode)]).expect("a CPU");
        assert!((cpu("user") + cpu("idle") - 3.0).abs() < 1e-9);
        assert!(value(&families, "node_memory_MemTotal_bytes", &[]).expect("memory") > 0.0);
    }
}
