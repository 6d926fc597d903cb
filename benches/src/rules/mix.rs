//! Rules as an estate has them: few signatures, and many rules of each that differ in what they ask of labels and in their thresholds.
//! None ever fires.

use std::fmt::Write;

use flyball_bench::series::{METRICS, REGIONS, metric};

use crate::targets::RuleFile;

/// Window, aggregate and group key, on every metric.
const KINDS: [(u32, &str, &str); 10] = [
    (1, "avg", "host_name"),
    (1, "max", "rack"),
    (1, "sum", "core"),
    (1, "count", "mode"),
    (1, "min", "host_name"),
    (5, "avg", "rack"),
    (5, "max", "host_name"),
    (5, "sum", "mode"),
    (5, "min", "rack"),
    (5, "count", "core"),
];

/// Different (metric, window, aggregate, group key).
pub(super) const SIGNATURES: usize = METRICS * KINDS.len();

const ENVIRONMENTS: [&str; 2] = ["production", "staging"];

/// One rule of the mix.
struct Rule {
    number: usize,
    metric: String,
    minutes: u32,
    aggregate: &'static str,
    key: &'static str,
    region: usize,
    env: &'static str,
    threshold: u64,
}

impl Rule {
    /// The first [`SIGNATURES`] have one signature each, those after them the same again.
    fn new(number: usize) -> Self {
        let (signature, variant) = (number % SIGNATURES, number / SIGNATURES);
        let (minutes, aggregate, key) = KINDS[signature / METRICS];
        Self {
            number,
            metric: metric(signature % METRICS),
            minutes,
            aggregate,
            key,
            region: variant % REGIONS,
            env: ENVIRONMENTS[variant / REGIONS % ENVIRONMENTS.len()],
            threshold: 1_000_000_000_000 + number as u64,
        }
    }

    /// The same question, as it is asked of Prometheus. An average of averages is that of the points where all series have as many
    /// of them, as they have here.
    fn promql(&self) -> String {
        let Self { metric, minutes, aggregate, key, region, env, threshold, .. } = self;
        // How many there are in a group is the sum of how many each series has.
        let over = if *aggregate == "count" { "sum" } else { aggregate };
        format!(
            "{over} by ({key}) ({aggregate}_over_time({metric}{{region=\"region-{region}\",env=\"{env}\"}}[{minutes}m])) \
             > {threshold}"
        )
    }

    fn sql(&self) -> String {
        let Self { metric, minutes, aggregate, key, region, env, threshold, .. } = self;
        format!(
            "SELECT {key}, {aggregate}(value) AS found FROM {metric} \
             WHERE time > now() - INTERVAL '{minutes} minutes' AND region = 'region-{region}' AND env = '{env}' \
             GROUP BY {key} HAVING {aggregate}(value) > {threshold}"
        )
    }
}

/// So many rules, for Prometheus and vmalert.
pub(super) fn prometheus(rules: usize) -> RuleFile {
    let mut text = "groups:\n- name: mix\n  rules:\n".to_owned();
    for rule in (0..rules).map(Rule::new) {
        writeln!(text, "  - alert: Mix{}\n    expr: {}", rule.number, rule.promql())
            .expect("a string grows without errors");
    }
    RuleFile { text, rules }
}

/// So many rules, for flyball.
pub(super) fn flyball(rules: usize) -> RuleFile {
    let mut text = "groups:\n- name: mix\n  every: 15s\n  rules:\n".to_owned();
    for rule in (0..rules).map(Rule::new) {
        writeln!(text, "  - rule: Mix{}\n    sql: {}", rule.number, rule.sql()).expect("a string grows without errors");
    }
    RuleFile { text, rules }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rules_share_a_hundred_signatures_and_are_all_different() {
        let rules: Vec<_> = (0..1_000).map(Rule::new).collect();
        let signatures = |rules: &[Rule]| {
            rules
                .iter()
                .map(|rule| (rule.metric.clone(), rule.minutes, rule.aggregate, rule.key))
                .collect::<HashSet<_>>()
                .len()
        };
        assert_eq!((signatures(&rules[..100]), signatures(&rules)), (SIGNATURES, 100));
        assert_eq!(rules.iter().map(Rule::sql).collect::<HashSet<_>>().len(), 1_000);
        assert_eq!(rules.iter().map(|rule| (rule.region, rule.env)).collect::<HashSet<_>>().len(), 10);
    }

    #[test]
    fn prometheus_is_asked_the_same() {
        let asked = |number| Rule::new(number).promql();
        assert_eq!(
            asked(110),
            "max by (rack) (max_over_time(bench_node_reading_0{region=\"region-1\",env=\"production\"}[1m])) > 1000000000110"
        );
        assert!(asked(30).starts_with("sum by (mode) (count_over_time("), "{}", asked(30));
    }

    #[test]
    fn a_rule_is_one_line_of_sql() {
        assert_eq!(
            flyball(2).text,
            "groups:\n- name: mix\n  every: 15s\n  rules:\n\
             \x20 - rule: Mix0\n    sql: SELECT host_name, avg(value) AS found FROM bench_node_reading_0 \
             WHERE time > now() - INTERVAL '1 minutes' AND region = 'region-0' AND env = 'production' \
             GROUP BY host_name HAVING avg(value) > 1000000000000\n\
             \x20 - rule: Mix1\n    sql: SELECT host_name, avg(value) AS found FROM bench_node_reading_1 \
             WHERE time > now() - INTERVAL '1 minutes' AND region = 'region-0' AND env = 'production' \
             GROUP BY host_name HAVING avg(value) > 1000000000001\n"
        );
    }
}
