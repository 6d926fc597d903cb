//! Every ready-made rule: is it good, and do the tests beside it pass?

use std::sync::Arc;

use flyball_model::{PointBatch, UnixNanos, WallClock};
use flyball_rules::check::check_rules;
use flyball_rules::definition::{RuleSet, from_str};
use flyball_rules::evaluate::{Outcome, RuleEvaluator};
use flyball_rules::{Database, QueryLimits};
use flyball_rules_testing::{in_scope, read, report, run};
use flyball_runtime::TableSources;
use flyball_store::{Store, StoreOptions};
use flyball_twin::Twin;

const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_600);

fn all_rules() -> RuleSet {
    let files = flyball_rules_library::files().iter();
    let files = files.map(|file| from_str(file.name, file.text).unwrap_or_else(|problems| panic!("{problems:#?}")));
    RuleSet { files: files.collect() }
}

struct Estate {
    database: Database,
    _folder: tempfile::TempDir,
}

impl Estate {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
        Self { database: Database::new(store, QueryLimits::default()), _folder: folder }
    }

    /// Adds a series `name{label="value",…}` with one point.
    fn series(&self, series: &str) {
        let (metric, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
        let mut labels: Vec<(&str, &str)> = labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(name, value)| (name, value.trim_matches('"')))
            .collect();
        labels.sort_unstable();
        let store: &Arc<Store> = self.database.store();
        let series =
            store.registry().resolve(metric, flyball_model::Shape::Numbers, &labels, NOW).expect("room for a series");
        let mut points = PointBatch::default();
        points.push(series, NOW, 1.0);
        store.append_unlogged(points);
    }
}

/// As the program opens it for a test.
fn open(store: &Arc<Store>, twin: &Arc<Twin>) -> Database {
    let database = Database::new(Arc::clone(store), QueryLimits::default());
    TableSources { twin: Arc::clone(twin), ..TableSources::empty(Arc::clone(store)) }.register(&database);
    database
}

/// Runs the tests of a file of the library.
async fn passes(name: &str) {
    let rules = all_rules();
    let file = rules.files.iter().find(|file| file.name == name).expect("a file of the library");
    let (tests, problems) = read(file, &rules);
    assert!(problems.is_empty() && !tests.is_empty(), "{problems:#?}");
    let scope = in_scope(file, &rules);
    for test in &tests {
        let verdict = run(test, &scope, &open, &WallClock::default()).await;
        assert!(verdict.is_good(), "{}", report::text(&verdict));
    }
    for (_, rule) in scope.into_iter().filter(|(_, rule)| rule.record.is_none()) {
        assert!(tests.iter().any(|test| test.fires().any(|fires| fires == rule.name)), "no test fires {}", rule.name);
    }
}

#[tokio::test]
async fn every_rule_of_a_host_fires_when_it_should() {
    passes("host").await;
}

#[tokio::test]
async fn every_rule_of_kubernetes_fires_when_it_should() {
    passes("kubernetes").await;
}

#[tokio::test]
async fn what_is_recorded_and_every_rule_of_an_objective_are_as_they_should() {
    passes("objectives").await;
}

#[tokio::test]
async fn every_rule_of_power_fires_when_it_should() {
    passes("power").await;
}

#[tokio::test]
async fn every_rule_of_logs_fires_when_it_should() {
    passes("logs").await;
}

#[tokio::test]
async fn every_rule_of_latency_fires_when_it_should() {
    passes("latency").await;
}

#[tokio::test]
async fn every_rule_of_icos_fires_when_it_should() {
    passes("icos").await;
}

#[tokio::test]
async fn every_rule_of_class_fires_when_it_should() {
    passes("class").await;
}

#[tokio::test]
async fn every_rule_of_flyball_itself_fires_when_it_should() {
    passes("flyball").await;
}

#[test]
fn no_file_of_the_library_is_without_its_test_here() {
    let names: Vec<_> = flyball_rules_library::files().iter().map(|file| file.name).collect();
    assert_eq!(names, ["class", "flyball", "host", "icos", "kubernetes", "latency", "logs", "objectives", "power"]);
}

#[tokio::test]
async fn without_any_data_every_rule_is_good_and_waits_or_finds_nothing() {
    let rules = all_rules();
    assert!(rules.rules().count() >= 12);
    let estate = Estate::new();
    let problems = check_rules(&rules, Some(&estate.database), None).await;
    assert!(problems.iter().all(|problem| !problem.is_error()), "{problems:#?}");
    for (_, rule) in rules.rules() {
        let outcome = RuleEvaluator::new(rule).evaluate(&estate.database, NOW, &QueryLimits::default()).await;
        let quiet = matches!(&outcome, Outcome::Waiting { .. }) || outcome == Outcome::Rows(Vec::new());
        assert!(quiet, "{}: {outcome:?}", rule.name);
    }
}

#[tokio::test]
async fn with_the_metrics_there_every_query_is_planned_without_a_problem() {
    let estate = Estate::new();
    for series in [
        "node_cpu_seconds_total{instance=\"a\",cpu=\"0\",mode=\"idle\"}",
        "node_load5{instance=\"a\"}",
        "node_memory_MemAvailable_bytes{instance=\"a\"}",
        "node_memory_MemTotal_bytes{instance=\"a\"}",
        "node_vmstat_oom_kill{instance=\"a\"}",
        "node_filesystem_avail_bytes{instance=\"a\",device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}",
        "node_filesystem_size_bytes{instance=\"a\",device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}",
        "node_network_receive_errs_total{instance=\"a\",device=\"eth0\"}",
        "node_network_receive_packets_total{instance=\"a\",device=\"eth0\"}",
        "node_boot_time_seconds{instance=\"a\"}",
        "kube_node_status_condition{node=\"n\",condition=\"Ready\",status=\"true\"}",
        "kube_pod_status_phase{namespace=\"s\",pod=\"p\",phase=\"Running\"}",
        "kube_pod_container_status_waiting_reason{namespace=\"s\",pod=\"p\",container=\"c\",reason=\"x\"}",
        "kube_pod_container_status_restarts_total{namespace=\"s\",pod=\"p\",container=\"c\"}",
        "kube_deployment_spec_replicas{namespace=\"s\",deployment=\"d\"}",
        "kube_deployment_status_replicas_available{namespace=\"s\",deployment=\"d\"}",
    ] {
        estate.series(series);
    }
    let problems = check_rules(&all_rules(), Some(&estate.database), None).await;
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn no_ready_made_rule_acts() {
    // What only records is told to nobody.
    for (_, rule) in all_rules().rules().filter(|(_, rule)| rule.record.is_none()) {
        assert!(rule.remediate.is_empty(), "{}", rule.name);
        assert!(rule.summary.is_some() && rule.labels.contains_key("area"), "{}", rule.name);
        assert!(rule.runbook.as_ref().is_some_and(|runbook| runbook.len() > 40), "{}", rule.name);
    }
}

#[test]
fn files_are_found_by_their_name() {
    let names: Vec<_> = flyball_rules_library::files().iter().map(|file| file.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert!(flyball_rules_library::file("host").is_some() && flyball_rules_library::file("none").is_none());
}
