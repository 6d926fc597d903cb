//! `/proc/meminfo`: every line is a metric (source: `proc_meminfo(5)`; names as node_exporter forms them).

use super::family::Family;

/// Reads `/proc/meminfo`: `Active(file):  898212 kB` becomes `node_memory_Active_file_bytes`, and what has no unit, such
/// as `HugePages_Total`, keeps its plain name. Lines of another form are passed over.
pub(super) fn families(text: &str) -> Vec<Family> {
    text.lines().filter_map(family).collect()
}

fn family(line: &str) -> Option<Family> {
    let (key, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let value: u64 = words.next()?.parse().ok()?;
    let name = key.replace('(', "_").replace(')', "");
    let help = format!("{key} of /proc/meminfo");
    match words.next() {
        Some("kB") => {
            let bytes = value.saturating_mul(1024) as f64;
            Some(Family::gauge(format!("node_memory_{name}_bytes"), "By", help).of(bytes))
        }
        Some(_) => None,
        None => Some(Family::gauge(format!("node_memory_{name}"), "1", help).of(value as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::family::value;

    #[test]
    fn lines_become_metrics_in_bytes() {
        let text = "MemTotal:       24684084 kB\n\
            Active(file):     898212 kB\n\
            HugePages_Total:       3\n\
            Future:       3 pages\n\
            nonsense\n\
            Broken: x kB\n";
        let families = families(text);
        assert_eq!(value(&families, "node_memory_MemTotal_bytes", &[]), Some(24_684_084.0 * 1024.0));
        assert_eq!(value(&families, "node_memory_Active_file_bytes", &[]), Some(898_212.0 * 1024.0));
        assert_eq!(value(&families, "node_memory_HugePages_Total", &[]), Some(3.0));
        assert_eq!(families.len(), 3);
        assert_eq!((families[0].unit, families[2].unit), ("By", "1"));
    }
}
