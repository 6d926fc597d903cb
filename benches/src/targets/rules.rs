//! The rules that flyball evaluates while it is measured. They look at the points that come in, and never fire.

use std::fmt::Write;

use flyball_bench::load::Protocol;
use flyball_bench::series::{METRICS, REGIONS, metric};

use super::RuleFile;

/// OTLP's severities go up to 24; half of these rules see something.
const SEVERITIES: usize = 20;

/// A rule file of so many rules, each over a minute of one metric in one region, or of the logs from one severity on.
pub(super) fn file(protocol: Protocol, rules: usize) -> RuleFile {
    let mut text = "groups:\n- name: bench\n  every: 1s\n  rules:\n".to_owned();
    for rule in 0..rules {
        let never = 1_000_000_000_000 + rule;
        // Which labels log records have is known only once there are some: a rule for a new folder can't name them.
        let sql = match protocol {
            Protocol::OtlpLogs => format!(
                "SELECT severity, count(*) AS seen FROM logs\n      \
                 WHERE time > now() - INTERVAL '1 minute' AND severity_number >= {}\n      \
                 GROUP BY severity HAVING count(*) > {never}",
                rule % SEVERITIES
            ),
            _ => format!(
                "SELECT host_name, avg(value) AS mean FROM {}\n      \
                 WHERE time > now() - INTERVAL '1 minute' AND region = 'region-{}'\n      \
                 GROUP BY host_name HAVING avg(value) > {never}",
                metric(rule % METRICS),
                rule % REGIONS
            ),
        };
        writeln!(text, "  - rule: Bench{rule}\n    sql: >\n      {sql}").expect("a string grows without errors");
    }
    RuleFile { text, rules }
}
