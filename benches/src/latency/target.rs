//! Who is measured: flyball, and Prometheus 3 with Alertmanager, each as fast as it can be asked to be.

use std::net::SocketAddr;

use super::probes::METRIC;
use crate::targets::{RuleFile, Setup};

/// Flyball evaluates the rule as data arrives, so its tick says nothing about latency.
pub(super) fn flyball(hook: SocketAddr) -> Setup {
    let text = format!(
        "groups:\n- name: probes\n  every: 1s\n  rules:\n  - rule: Probe\n    sql: >\n      \
         SELECT host, last_value(value ORDER BY time) AS number FROM {METRIC}\n      \
         WHERE time > now() - INTERVAL '1 minute' GROUP BY host HAVING last_value(value ORDER BY time) > 0\n    \
         remediate: [{{backend: hook, action: notify}}]\n"
    );
    Setup {
        rules: RuleFile { text, rules: 1 },
        config: format!("backends: {{hook: {{kind: webhook, url: 'http://{hook}/', events: [firing, resolved]}}}}\n"),
        ..Setup::default()
    }
}

/// A scrape and an evaluation a second; Alertmanager is told at once.
pub(super) fn prometheus(exporter: SocketAddr, alertmanager: SocketAddr) -> Setup {
    let text = format!(
        "groups:\n- name: probes\n  rules:\n  - alert: Probe\n    expr: {METRIC} > 0\n    \
         annotations: {{number: '{{{{ $value }}}}'}}\n"
    );
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n\
         scrape_configs: [{{job_name: probes, static_configs: [{{targets: ['{exporter}']}}]}}]\n"
    );
    Setup { rules: RuleFile { text, rules: 1 }, config, ..Setup::default() }
}

/// A group a probe, so that no probe waits for another; told at once, and of its end within a tenth of a second.
pub(super) fn alertmanager(hook: SocketAddr) -> String {
    format!(
        "route: {{receiver: hook, group_by: [host], group_wait: 0s, group_interval: 100ms, repeat_interval: 4h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://{hook}/', send_resolved: true}}]}}]\n"
    )
}
