//! Temperatures: thermal zones, and the sensors of hardware monitoring chips (source: the kernel's
//! `Documentation/ABI/testing/sysfs-class-thermal` and `hwmon/sysfs-interface`; labels as node_exporter forms them).

use std::fs;
use std::path::Path;

use super::family::Family;
use super::linux::{read_number, read_text, sorted_children};

const MILLIDEGREES_A_DEGREE: f64 = 1e3;

/// Reads `/sys/class/thermal`.
pub(super) fn zones(class: &Path) -> Family {
    let mut family = Family::gauge("node_thermal_zone_temp", "Cel", "Temperature of a thermal zone");
    for dir in sorted_children(class) {
        let name = file_name(&dir);
        let Some(zone) = name.strip_prefix("thermal_zone") else { continue };
        if let (Some(kind), Some(temperature)) = (read_text(&dir.join("type")), read_number::<i64>(&dir.join("temp"))) {
            family.push(&[("type", kind.trim()), ("zone", zone)], temperature as f64 / MILLIDEGREES_A_DEGREE);
        }
    }
    family
}

/// Reads `/sys/class/hwmon`.
pub(super) fn sensors(class: &Path) -> Vec<Family> {
    let mut temperatures = Family::gauge("node_hwmon_temp_celsius", "Cel", "Temperature at a sensor");
    let mut labels = Family::gauge("node_hwmon_sensor_label", "1", "What a sensor is called; always 1");
    let mut chips = Family::gauge("node_hwmon_chip_names", "1", "What a chip is called; always 1");
    for dir in sorted_children(class) {
        let name = read_text(&dir.join("name"));
        let chip = chip(&dir, name.as_deref());
        if let Some(name) = name {
            chips.push(&[("chip", &chip), ("chip_name", name.trim())], 1.0);
        }
        for file in sorted_children(&dir) {
            let file_name = file_name(&file);
            let Some(sensor) = file_name.strip_suffix("_input").filter(|sensor| sensor.starts_with("temp")) else {
                continue;
            };
            let Some(temperature) = read_number::<i64>(&file) else { continue };
            let of_sensor = [("chip", chip.as_str()), ("sensor", sensor)];
            temperatures.push(&of_sensor, temperature as f64 / MILLIDEGREES_A_DEGREE);
            if let Some(label) = read_text(&dir.join(format!("{sensor}_label"))) {
                labels.push(&[of_sensor[0], ("label", label.trim()), of_sensor[1]], 1.0);
            }
        }
    }
    vec![temperatures, labels, chips]
}

/// A chip is named after its device's place, `platform_coretemp_0`, because its own name need not be unique.
fn chip(dir: &Path, name: Option<&str>) -> String {
    if let Ok(device) = fs::canonicalize(dir.join("device")) {
        let own = cleaned(&file_name(&device));
        let parent = device.parent().map(|parent| cleaned(&file_name(parent))).unwrap_or_default();
        match (parent.is_empty(), own.is_empty()) {
            (false, false) => return format!("{parent}_{own}"),
            (true, false) => return own,
            _ => {}
        }
    }
    cleaned(name.unwrap_or(&file_name(dir)))
}

fn cleaned(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let cleaned = name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == ':'), "_");
    cleaned.trim_matches('_').to_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::family::value;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("in the root")).expect("a folder");
            fs::write(path, text).expect("written");
        }
    }

    #[test]
    fn thermal_zones_are_in_degrees() {
        let class = tempfile::tempdir().expect("a folder");
        let root = class.path();
        write(root, &[("thermal_zone0/type", "x86_pkg_temp\n"), ("thermal_zone0/temp", "48500\n")]);
        write(root, &[("thermal_zone1/type", "cold\n"), ("thermal_zone1/temp", "-1000\n")]);
        write(root, &[("thermal_zone2/type", "broken\n"), ("cooling_device0/type", "Fan\n")]);
        let family = [zones(root)];
        let labels = [("type", "x86_pkg_temp"), ("zone", "0")];
        assert_eq!(value(&family, "node_thermal_zone_temp", &labels), Some(48.5));
        assert_eq!(value(&family, "node_thermal_zone_temp", &[("zone", "1")]), Some(-1.0));
        assert_eq!(family[0].points.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn sensors_are_named_after_their_devices_place() {
        let sys = tempfile::tempdir().expect("a folder");
        let root = sys.path();
        write(root, &[("devices/platform/coretemp.0/uevent", "")]);
        let chip =
            [("hwmon0/name", "coretemp\n"), ("hwmon0/temp1_input", "51000\n"), ("hwmon0/temp1_label", "Core 0\n")];
        write(&root.join("class"), &chip);
        write(&root.join("class"), &[("hwmon1/name", "acpi tz\n"), ("hwmon1/temp1_input", "20000\n")]);
        std::os::unix::fs::symlink(root.join("devices/platform/coretemp.0"), root.join("class/hwmon0/device"))
            .expect("a link");
        let families = sensors(&root.join("class"));
        let on = |chip| value(&families, "node_hwmon_temp_celsius", &[("chip", chip), ("sensor", "temp1")]);
        assert_eq!(on("platform_coretemp_0"), Some(51.0));
        assert_eq!(on("acpi_tz"), Some(20.0));
        let label = [("chip", "platform_coretemp_0"), ("label", "Core 0"), ("sensor", "temp1")];
        assert_eq!(value(&families, "node_hwmon_sensor_label", &label), Some(1.0));
        assert_eq!(value(&families, "node_hwmon_chip_names", &[("chip_name", "coretemp")]), Some(1.0));
    }
}
