//! The names that the translation from OpenTelemetry to Prometheus would give a metric.
//!
//! flyball invents no suffix: `http.server.duration` is `http_server_duration`. But queries and dashboards that were written for
//! Prometheus say `http_server_duration_seconds`, since exporters there append the unit, and `_total` to what only grows.
//!
//! Source: OpenTelemetry specification, Prometheus and OpenMetrics Compatibility, Metric Metadata; units as the Collector and
//! Prometheus translate them. The two differ where a unit stands inside of the name (`seconds_until_start`): the Collector leaves it
//! alone then, the specification appends it; both names are given.

use flyball_model::{Kind, MetricInfo};

/// Units (UCUM) and their words. `TiBy` had a wrong word for years.
const UNITS: [(&str, &[&str]); 31] = [
    ("d", &["days"]),
    ("h", &["hours"]),
    ("min", &["minutes"]),
    ("s", &["seconds"]),
    ("ms", &["milliseconds"]),
    ("us", &["microseconds"]),
    ("ns", &["nanoseconds"]),
    ("By", &["bytes"]),
    ("KiBy", &["kibibytes"]),
    ("MiBy", &["mebibytes"]),
    ("GiBy", &["gibibytes"]),
    ("TiBy", &["tebibytes", "tibibytes"]),
    ("kBy", &["kilobytes"]),
    ("KBy", &["kilobytes"]),
    ("MBy", &["megabytes"]),
    ("GBy", &["gigabytes"]),
    ("TBy", &["terabytes"]),
    ("m", &["meters"]),
    ("V", &["volts"]),
    ("A", &["amperes"]),
    ("J", &["joules"]),
    ("uJ", &["microjoules"]),
    ("W", &["watts"]),
    ("mW", &["milliwatts"]),
    ("uW", &["microwatts"]),
    ("g", &["grams"]),
    ("Cel", &["celsius"]),
    ("Hz", &["hertz"]),
    ("1", &[""]),
    ("%", &["percent"]),
    ("", &[""]),
];

/// What stands after the slash of a unit, in the singular.
const PER: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// The names, without repetition; mostly one. The first is the Collector's.
pub(super) fn translated(info: &MetricInfo) -> Vec<String> {
    let words: Vec<_> = info.original.split(|c| !is_kept(c)).filter(|word| !word.is_empty()).collect();
    let (main, per) = info.unit.split_once('/').unwrap_or((&info.unit, ""));
    let per = per_suffix(per);
    let mut names = Vec::new();
    for main in main_suffixes(main) {
        for inside_counts in [true, false] {
            let name = join(&words, &main, &per, inside_counts, info);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn join(words: &[&str], main: &str, per: &str, inside_counts: bool, info: &MetricInfo) -> String {
    let mut words = words.to_vec();
    for suffix in [main, per] {
        let there = if inside_counts { words.contains(&suffix) } else { ends_with(&words, suffix) };
        if !suffix.is_empty() && !there {
            words.push(suffix);
        }
    }
    let last = match info.kind {
        Kind::Counter => Some("total"),
        Kind::Gauge if info.unit == "1" => Some("ratio"),
        _ => None,
    };
    if let Some(last) = last {
        words.retain(|word| *word != last);
        words.push(last);
    }
    let name = words.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// Whether a suffix of one or more words stands at the end; a final `total` does not hide it.
fn ends_with(words: &[&str], suffix: &str) -> bool {
    let name = words.strip_suffix(&["total"]).unwrap_or(words).join("_");
    name.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

fn main_suffixes(unit: &str) -> Vec<String> {
    let unit = unit.trim();
    match UNITS.iter().find(|known| known.0 == unit) {
        _ if unit.contains(['{', '}']) => vec![String::new()],
        Some((_, words)) => words.iter().map(|&word| word.to_owned()).collect(),
        None => vec![clean(unit)],
    }
}

fn per_suffix(unit: &str) -> String {
    let unit = unit.trim();
    if unit.is_empty() || unit.contains(['{', '}']) {
        return String::new();
    }
    match PER.iter().find(|known| known.0 == unit) {
        Some((_, word)) => format!("per_{word}"),
        None => Some(clean(unit)).filter(|unit| !unit.is_empty()).map_or(String::new(), |unit| format!("per_{unit}")),
    }
}

fn clean(unit: &str) -> String {
    unit.split(|c| !is_kept(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

fn is_kept(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(original: &str, unit: &str, kind: Kind, expected: &[&str]) {
        let info = MetricInfo { original: original.into(), unit: unit.into(), kind, ..MetricInfo::default() };
        assert_eq!(translated(&info), expected, "{original} in {unit:?}");
    }

    #[test]
    fn names_are_translated_as_exporters_do() {
        use Kind::{Counter, Gauge, Histogram, Unknown, UpDownCounter};
        for (original, unit, kind, expected) in [
            ("http.server.duration", "s", Histogram, &["http_server_duration_seconds"][..]),
            ("http.server.duration", "ms", Histogram, &["http_server_duration_milliseconds"]),
            ("system.filesystem.usage", "By", UpDownCounter, &["system_filesystem_usage_bytes"]),
            ("system.network.dropped", "{packets}", Counter, &["system_network_dropped_total"]),
            ("system.network.dropped", "packets", Gauge, &["system_network_dropped_packets"]),
            ("system.memory.utilization", "1", Gauge, &["system_memory_utilization_ratio"]),
            ("cpu.ratio", "1", Gauge, &["cpu_ratio"]),
            ("items", "1", Counter, &["items_total"]),
            ("active", "1", UpDownCounter, &["active"]),
            ("astro.light.speed_limit", "m/s", Gauge, &["astro_light_speed_limit_meters_per_second"]),
            ("requests", "1/s", Gauge, &["requests_per_second"]),
            ("requests", "{request}/s", Gauge, &["requests_per_second"]),
            ("throughput", "By/s", Gauge, &["throughput_bytes_per_second"]),
            ("throughput", "By/{disk}", Gauge, &["throughput_bytes"]),
            ("cpu.time.total", "s", Counter, &["cpu_time_seconds_total"]),
            ("process_cpu_seconds_total", "seconds", Counter, &["process_cpu_seconds_total"]),
            ("seconds.until.start", "s", Gauge, &["seconds_until_start", "seconds_until_start_seconds"]),
            ("disk.size", "TiBy", Gauge, &["disk_size_tebibytes", "disk_size_tibibytes"]),
            ("(lambda).function.executions(#)", "", Gauge, &["lambda_function_executions"]),
            (
                "metric__with__underscores",
                "unit@with#special/chars",
                Gauge,
                &["metric_with_underscores_unit_with_special_per_chars"],
            ),
            ("humidity", "%", Gauge, &["humidity_percent"]),
            ("5xx", "", Counter, &["_5xx_total"]),
            ("scaph_host_energy_microjoules", "", Counter, &["scaph_host_energy_microjoules_total"]),
            ("scaph_host_energy_microjoules", "uJ", Counter, &["scaph_host_energy_microjoules_total"]),
            ("up", "", Unknown, &["up"]),
            ("", "s", Gauge, &["seconds"]),
            ("#", "", Gauge, &[]),
        ] {
            check(original, unit, kind, expected);
        }
    }
}
