//! The series of the load: an estate of hosts, each with ten metrics on ten cores.

/// Milliseconds between two points of a series, unless a plan has another step.
pub const STEP_MILLIS: i64 = 10_000;

/// Metrics of a host.
pub const METRICS: usize = 10;
/// Series of one metric on one host.
pub const CORES: usize = 10;
/// Series of one host.
pub const PER_HOST: usize = METRICS * CORES;
/// Regions that the hosts are in.
pub const REGIONS: usize = 5;

/// The measurement that line protocol has the metrics of a host under.
pub const MEASUREMENT: &str = "bench_node";

/// One series, made from its number: host, then metric, then core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Which of the [`METRICS`].
    pub metric: usize,
    /// What OTLP carries as attributes of the resource: three labels.
    pub resource: [(&'static str, String); 3],
    /// What it carries as attributes of the point: four labels.
    pub point: [(&'static str, String); 4],
}

impl Series {
    /// The series of that number.
    pub fn new(number: usize) -> Self {
        let (host, metric, core) = (number / PER_HOST, number / CORES % METRICS, number % CORES);
        Self {
            metric,
            resource: [
                ("host_name", format!("edge-{host:05}.site-{:02}.example.org", host % 20)),
                ("region", format!("region-{}", host % REGIONS)),
                ("service_name", "node-agent".to_owned()),
            ],
            point: [
                ("core", core.to_string()),
                ("env", if host.is_multiple_of(3) { "staging" } else { "production" }.to_owned()),
                ("mode", ["user", "system", "idle", "iowait", "steal"][core % 5].to_owned()),
                ("rack", format!("rack-{:03}", host / 8)),
            ],
        }
    }

    /// All seven labels, sorted by name.
    pub fn labels(&self) -> Vec<(&'static str, &str)> {
        let mut labels: Vec<_> =
            self.resource.iter().chain(&self.point).map(|(name, value)| (*name, value.as_str())).collect();
        labels.sort_unstable();
        labels
    }
}

/// The name of a metric. Line protocol has the field [`field`] of [`MEASUREMENT`] instead, which makes the same name.
pub fn metric(number: usize) -> String {
    format!("{MEASUREMENT}_{}", field(number))
}

/// The field that line protocol has a metric in.
pub fn field(number: usize) -> String {
    format!("reading_{number}")
}

/// The value of a series in a round: even metrics count up, odd ones swing with two decimals.
pub fn value(number: usize, round: usize) -> f64 {
    let noise = mix((number as u64) << 20 | round as u64);
    if (number / CORES % METRICS).is_multiple_of(2) {
        (number % 1_000 + round * 37) as f64 + (noise % 30) as f64
    } else {
        (noise % 10_000) as f64 / 100.0
    }
}

/// SplitMix64's finaliser: spreads any number over all bits, the same in every run.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_is_a_series_of_its_own_with_seven_sorted_labels() {
        let mut seen = HashSet::new();
        for number in 0..2 * PER_HOST {
            let series = Series::new(number);
            let labels = series.labels();
            assert_eq!(labels.len(), 7);
            assert!(labels.is_sorted());
            assert!(seen.insert(format!("{}{labels:?}", series.metric)), "series {number} came before");
        }
    }

    #[test]
    fn values_are_the_same_in_every_run() {
        assert_eq!(value(7, 3), value(7, 3));
        assert_ne!(value(17, 3), value(17, 4));
    }
}
