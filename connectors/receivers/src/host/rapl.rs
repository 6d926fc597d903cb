//! RAPL energy counters through `/sys/class/powercap` (source: the kernel's `Documentation/power/powercap`).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::family::Family;
use super::linux::{read_number, read_text, sorted_children};

const MICROJOULES_A_JOULE: f64 = 1e6;

/// The zones' counters, kept because the kernel's wrap around after minutes to hours.
#[derive(Debug, Default)]
pub(super) struct Rapl {
    zones: HashMap<String, Energy>,
    told: bool,
}

/// One zone's energy, beyond wraps.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Energy {
    last_microjoules: u64,
    total_microjoules: u64,
}

impl Energy {
    /// Takes a reading; the counter starts again at zero after `max`.
    fn advance(&mut self, microjoules: u64, max: u64) {
        let more = match microjoules.checked_sub(self.last_microjoules) {
            Some(more) => more,
            None => max.saturating_sub(self.last_microjoules).saturating_add(microjoules),
        };
        self.total_microjoules = self.total_microjoules.saturating_add(more);
        self.last_microjoules = microjoules;
    }
}

impl Rapl {
    /// Reads all zones under `powercap`: `node_rapl_package_joules_total{index="0",path="/sys/class/powercap/intel-rapl:0"}`.
    ///
    /// Zones overlap: `psys` holds the packages, a package holds its `core` and `uncore`. Never add them up.
    pub(super) fn families(&mut self, powercap: &Path) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        let mut seen = HashMap::new();
        for dir in sorted_children(powercap) {
            let Some(zone) = read_text(&dir.join("name")) else { continue };
            let (name, index) = name_and_index(zone.trim(), &mut seen);
            let (Some(max), path) = (read_number(&dir.join("max_energy_range_uj")), dir.to_string_lossy()) else {
                continue;
            };
            let microjoules = match fs::read_to_string(dir.join("energy_uj")) {
                Ok(text) => text.trim().parse().ok(),
                Err(error) => {
                    self.tell(&error);
                    None
                }
            };
            let Some(microjoules) = microjoules else { continue };
            let energy = self.zones.entry(path.clone().into_owned()).or_default();
            energy.advance(microjoules, max);
            let metric = format!("node_rapl_{name}_joules_total");
            let family = match families.iter().position(|family| family.name == metric) {
                Some(at) => &mut families[at],
                None => {
                    families.push(Family::counter(metric, "J", format!("Energy used by the RAPL zone {name}")));
                    families.last_mut().expect("just pushed")
                }
            };
            let joules = energy.total_microjoules as f64 / MICROJOULES_A_JOULE;
            family.push(&[("index", &index.to_string()), ("path", &path)], joules);
        }
        families
    }

    /// Says once how to get at the counters, which only root may read since Linux 5.10.
    fn tell(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::PermissionDenied && !self.told {
            self.told = true;
            tracing::info!(
                "RAPL energy is there but not readable; run as root, or let this user read \
                            /sys/class/powercap/*/energy_uj, to see this host's power"
            );
        }
    }
}

/// `package-1` is the package 1; a name without a number is counted among its like, as node_exporter does.
fn name_and_index(zone: &str, seen: &mut HashMap<String, u32>) -> (String, u32) {
    let numbered = zone.split_once('-').and_then(|(name, index)| Some((name, index.parse().ok()?)));
    let (name, index) = match numbered {
        Some((name, index)) => (name, index),
        None => (zone, seen.get(zone).copied().unwrap_or(0)),
    };
    seen.insert(name.to_owned(), index + 1);
    (name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"), index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::family::value;

    fn zone(powercap: &Path, dir: &str, name: &str, microjoules: u64) {
        let dir = powercap.join(dir);
        fs::create_dir_all(&dir).expect("a folder");
        fs::write(dir.join("name"), format!("{name}\n")).expect("written");
        fs::write(dir.join("max_energy_range_uj"), "1000000\n").expect("written");
        fs::write(dir.join("energy_uj"), format!("{microjoules}\n")).expect("written");
    }

    #[test]
    fn zones_are_named_and_numbered_as_node_exporter_does() {
        let powercap = tempfile::tempdir().expect("a folder");
        let root = powercap.path();
        fs::create_dir(root.join("intel-rapl")).expect("a control type, which is not a zone");
        zone(root, "intel-rapl:0", "package-0", 500_000);
        zone(root, "intel-rapl:0:0", "dram", 250_000);
        zone(root, "intel-rapl:1", "package-1", 1_000);
        zone(root, "intel-rapl:1:0", "dram", 2_000);
        let families = Rapl::default().families(root);
        let path = root.join("intel-rapl:0").to_string_lossy().into_owned();
        let joules = |name, index| value(&families, name, &[("index", index)]);
        assert_eq!(value(&families, "node_rapl_package_joules_total", &[("path", &path)]), Some(0.5));
        assert_eq!(joules("node_rapl_package_joules_total", "1"), Some(0.001));
        assert_eq!(joules("node_rapl_dram_joules_total", "0"), Some(0.25));
        assert_eq!(joules("node_rapl_dram_joules_total", "1"), Some(0.002));
        assert_eq!(families.len(), 2);
    }

    #[test]
    fn a_counter_that_wraps_goes_on() {
        let powercap = tempfile::tempdir().expect("a folder");
        let mut rapl = Rapl::default();
        let mut joules_after = |microjoules| {
            zone(powercap.path(), "intel-rapl:0", "package-0", microjoules);
            value(&rapl.families(powercap.path()), "node_rapl_package_joules_total", &[]).expect("readable")
        };
        assert_eq!(joules_after(900_000), 0.9);
        assert_eq!(joules_after(950_000), 0.95);
        assert_eq!(joules_after(50_000), 1.05);
    }

    #[test]
    fn a_machine_without_rapl_gives_nothing() {
        assert_eq!(Rapl::default().families(Path::new("/nowhere")), []);
    }
}
