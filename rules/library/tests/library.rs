//! Every ready-made rule against points that break it, through the real store and the real SQL.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::{State, identity_text};
use flyball_model::{PointBatch, Reading, UnixNanos};
use flyball_rules::check::check_rules;
use flyball_rules::definition::{Rule, RuleSet, from_str};
use flyball_rules::evaluate::{Outcome, RuleEvaluator};
use flyball_rules::lifecycle::RuleState;
use flyball_rules::{Database, QueryLimits};
use flyball_store::{Store, StoreOptions};

/// When the rules are first evaluated.
const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_600);
const EVERY: Duration = Duration::from_secs(15);

fn all_rules() -> RuleSet {
    let files = flyball_rules_library::files().iter();
    let files = files.map(|file| from_str(file.name, file.text).unwrap_or_else(|problems| panic!("{problems:#?}")));
    RuleSet { files: files.collect() }
}

fn rule(name: &str) -> Rule {
    all_rules().rules().find(|(_, rule)| rule.name == name).unwrap_or_else(|| panic!("no rule {name}")).1.clone()
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

    /// Adds a series `name{label="value",…}`: a point every 15 s from an hour before [`NOW`] to `until` seconds after it, each the
    /// value of its time (seconds after [`NOW`], before it negative).
    fn series(&self, series: &str, until: i64, value: impl Fn(f64) -> f64) {
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
        for second in (-3600..=until).step_by(EVERY.as_secs() as usize) {
            points.push(series, UnixNanos(NOW.0 + second * 1_000_000_000), value(second as f64));
        }
        store.append_unlogged(points);
    }

    /// Evaluates a rule on its group's tick until its `for` is over; what is firing then, as identity and summary.
    async fn firing(&self, rule: &Rule) -> Vec<String> {
        let mut evaluator = RuleEvaluator::new(rule);
        let mut state = RuleState::new(rule);
        let mut now = NOW;
        while now <= NOW.plus(rule.for_) {
            let outcome = evaluator.evaluate(&self.database, now, &QueryLimits::default()).await;
            assert!(matches!(outcome, Outcome::Rows(_)), "{}: {outcome:?}", rule.name);
            state.step(rule, &outcome, Reading::at(now), Some(now));
            now = now.plus(EVERY);
        }
        let active = state.active(rule).into_iter().filter(|transition| transition.state == State::Firing);
        active.map(|transition| format!("{}: {}", identity_text(&transition.identity), transition.summary)).collect()
    }
}

async fn check(name: &str, fill: impl FnOnce(&Estate), expected: &str) {
    let estate = Estate::new();
    fill(&estate);
    assert_eq!(estate.firing(&rule(name)).await, [expected], "{name}");
}

/// Long enough for every `for` of the library.
const ON: i64 = 2400;

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
        estate.series(series, 0, |_| 1.0);
    }
    let problems = check_rules(&all_rules(), Some(&estate.database), None).await;
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn no_ready_made_rule_acts() {
    for (_, rule) in all_rules().rules() {
        assert!(rule.remediate.is_empty(), "{}", rule.name);
        assert!(rule.summary.is_some() && rule.labels.contains_key("area"), "{}", rule.name);
    }
}

#[test]
fn files_are_found_by_their_name() {
    let names: Vec<_> = flyball_rules_library::files().iter().map(|file| file.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert!(flyball_rules_library::file("host").is_some() && flyball_rules_library::file("none").is_none());
}

#[tokio::test]
async fn a_busy_processor_is_told() {
    let fill = |estate: &Estate| {
        for cpu in ["0", "1"] {
            let idle =
                |host: &str| format!("node_cpu_seconds_total{{instance=\"{host}\",cpu=\"{cpu}\",mode=\"idle\"}}");
            estate.series(&idle("busy"), ON, |t| 0.05 * (t + 5000.0));
            estate.series(&idle("calm"), ON, |t| 0.9 * (t + 5000.0));
        }
        estate.series("node_cpu_seconds_total{instance=\"calm\",cpu=\"0\",mode=\"user\"}", ON, |t| 0.01 * (t + 5000.0));
    };
    check("HostCpuBusy", fill, "instance=busy: the processors of busy are 95 % busy").await;
}

#[tokio::test]
async fn a_high_load_is_told_by_the_number_of_cores() {
    let fill = |estate: &Estate| {
        for (host, cpu) in [("small", "0"), ("small", "1"), ("big", "0"), ("big", "1"), ("big", "2"), ("big", "3")] {
            estate.series(
                &format!("node_cpu_seconds_total{{instance=\"{host}\",cpu=\"{cpu}\",mode=\"idle\"}}"),
                ON,
                |t| t,
            );
        }
        estate.series("node_load5{instance=\"small\"}", ON, |_| 6.4);
        estate.series("node_load5{instance=\"big\"}", ON, |_| 6.4);
    };
    check("HostLoadHigh", fill, "instance=small: small has a load of 6.4 on 2 cores").await;
}

#[tokio::test]
async fn low_memory_is_told() {
    let fill = |estate: &Estate| {
        for (host, available) in [("low", 5e8), ("fine", 8e9)] {
            estate.series(&format!("node_memory_MemAvailable_bytes{{instance=\"{host}\"}}"), ON, |_| available);
            estate.series(&format!("node_memory_MemTotal_bytes{{instance=\"{host}\"}}"), ON, |_| 1.6e10);
        }
    };
    check("HostMemoryLow", fill, "instance=low: low has 3.1 % of its memory left").await;
}

#[tokio::test]
async fn a_kill_for_want_of_memory_is_told() {
    let fill = |estate: &Estate| {
        estate.series("node_vmstat_oom_kill{instance=\"a\"}", ON, |t| if t > -300.0 { 3.0 } else { 1.0 });
        estate.series("node_vmstat_oom_kill{instance=\"b\"}", ON, |_| 7.0);
    };
    let told = "instance=a: a ran out of memory and killed processes (2 in ten minutes)";
    check("HostOutOfMemoryKill", fill, told).await;
}

/// Two hosts with a filesystem of 100 GB each.
fn filesystems(estate: &Estate, free: [&dyn Fn(f64) -> f64; 2]) {
    for (host, free) in ["a", "b"].into_iter().zip(free) {
        for (mountpoint, fstype) in [("/", "ext4"), ("/run", "tmpfs")] {
            let labels = format!(
                "{{instance=\"{host}\",device=\"d{mountpoint}\",fstype=\"{fstype}\",mountpoint=\"{mountpoint}\"}}"
            );
            estate.series(&format!("node_filesystem_avail_bytes{labels}"), ON, free);
            estate.series(&format!("node_filesystem_size_bytes{labels}"), ON, |_| 1e11);
        }
    }
}

#[tokio::test]
async fn a_filesystem_that_is_almost_full_is_told() {
    let fill = |estate: &Estate| filesystems(estate, [&|_| 5e9, &|_| 5e10]);
    check("HostFilesystemAlmostFull", fill, "instance=a,mountpoint=/: / on a has 5 % left").await;
}

#[tokio::test]
async fn a_filesystem_that_fills_up_is_told_before_it_is_full() {
    // 10 GB an hour: half an hour after NOW, when the rule fires, 25 GB are left.
    let fill = |estate: &Estate| filesystems(estate, [&|t| 3e10 - 1e10 * t / 3600.0, &|t| 3e10 - 1e9 * t / 3600.0]);
    let told = "instance=a,mountpoint=/: / on a is full in 2.5 hours at this rate (25 GB left)";
    check("HostFilesystemFillsUp", fill, told).await;
}

#[tokio::test]
async fn a_broken_network_is_told() {
    let fill = |estate: &Estate| {
        for (device, errors) in [("eth0", 5.0), ("eth1", 0.1)] {
            let labels = format!("{{instance=\"a\",device=\"{device}\"}}");
            estate.series(&format!("node_network_receive_errs_total{labels}"), ON, |t| errors * (t + 5000.0));
            estate.series(&format!("node_network_receive_packets_total{labels}"), ON, |t| 100.0 * (t + 5000.0));
        }
    };
    check("HostNetworkErrors", fill, "device=eth0,instance=a: 5 % of what eth0 of a receives is broken").await;
}

#[tokio::test]
async fn a_reboot_is_told() {
    let fill = |estate: &Estate| {
        let booted = NOW.as_millis() as f64 / 1000.0;
        estate.series("node_boot_time_seconds{instance=\"a\"}", 0, |_| booted - 120.0);
        estate.series("node_boot_time_seconds{instance=\"b\"}", 0, |_| booted - 86_400.0);
    };
    check("HostRebooted", fill, "instance=a: a started 120 s ago").await;
}

#[tokio::test]
async fn a_host_that_fell_silent_is_told() {
    let fill = |estate: &Estate| {
        estate.series("node_boot_time_seconds{instance=\"gone\"}", -600, |_| 1.0);
        estate.series("node_boot_time_seconds{instance=\"here\"}", 0, |_| 1.0);
    };
    check("HostSilent", fill, "instance=gone: nothing was heard of gone for 600 s").await;
}

#[tokio::test]
async fn a_node_that_is_not_ready_is_told() {
    let fill = |estate: &Estate| {
        for (node, ready) in [("n1", 0.0), ("n2", 1.0)] {
            for (status, value) in [("true", ready), ("false", 1.0 - ready)] {
                let labels = format!("{{node=\"{node}\",condition=\"Ready\",status=\"{status}\"}}");
                estate.series(&format!("kube_node_status_condition{labels}"), ON, |_| value);
            }
        }
    };
    check("KubeNodeNotReady", fill, "node=n1: the node n1 is not ready").await;
}

#[tokio::test]
async fn a_pod_that_does_not_run_is_told() {
    let fill = |estate: &Estate| {
        for (pod, phase) in [("p1", "Pending"), ("p2", "Running")] {
            for other in ["Pending", "Running", "Succeeded"] {
                let labels = format!("{{namespace=\"shop\",pod=\"{pod}\",phase=\"{other}\",uid=\"u-{pod}\"}}");
                estate.series(&format!("kube_pod_status_phase{labels}"), ON, |_| f64::from(u8::from(other == phase)));
            }
        }
    };
    check("KubePodNotRunning", fill, "namespace=shop,phase=Pending,pod=p1: the pod shop/p1 is Pending").await;
}

#[tokio::test]
async fn a_pod_that_crashes_again_and_again_is_told() {
    let fill = |estate: &Estate| {
        for (pod, reason) in [("p1", "CrashLoopBackOff"), ("p2", "ContainerCreating")] {
            let labels = format!("{{namespace=\"shop\",pod=\"{pod}\",container=\"web\",reason=\"{reason}\"}}");
            // It waits half of the time; in between it runs.
            let name = format!("kube_pod_container_status_waiting_reason{labels}");
            estate.series(&name, ON, |t| f64::from(u8::from(t.rem_euclid(120.0) < 60.0)));
        }
    };
    let told = "container=web,namespace=shop,pod=p1: web of the pod shop/p1 crashes again and again";
    check("KubePodCrashLooping", fill, told).await;
}

#[tokio::test]
async fn a_container_that_restarts_often_is_told() {
    let fill = |estate: &Estate| {
        for (pod, a_restart_takes) in [("p1", 300.0), ("p2", 1800.0)] {
            let labels = format!("{{namespace=\"shop\",pod=\"{pod}\",container=\"web\"}}");
            let name = format!("kube_pod_container_status_restarts_total{labels}");
            estate.series(&name, ON, |t| ((t + 7200.0) / a_restart_takes).floor());
        }
    };
    let told = "container=web,namespace=shop,pod=p1: web of the pod shop/p1 restarted 12 times in an hour";
    check("KubeContainerRestarts", fill, told).await;
}

#[tokio::test]
async fn a_deployment_without_its_replicas_is_told() {
    let fill = |estate: &Estate| {
        for (deployment, available) in [("web", 1.0), ("api", 3.0)] {
            let labels = format!("{{namespace=\"shop\",deployment=\"{deployment}\"}}");
            estate.series(&format!("kube_deployment_spec_replicas{labels}"), ON, |_| 3.0);
            estate.series(&format!("kube_deployment_status_replicas_available{labels}"), ON, |_| available);
        }
    };
    let told = "deployment=web,namespace=shop: the deployment shop/web has 1 of 3 replicas";
    check("KubeDeploymentReplicasMissing", fill, told).await;
}

#[tokio::test]
async fn a_host_over_its_power_budget_is_told() {
    let fill = |estate: &Estate| {
        for (host, watts) in [("hot", 450.0), ("cool", 120.0)] {
            estate.series(&format!("scaph_host_power_microwatts{{instance=\"{host}:8080\"}}"), ON, |_| watts * 1e6);
        }
    };
    let told = "host=hot,source=scaphandre: hot takes 450 W, and its budget is 400 W";
    check("HostPowerOverBudget", fill, told).await;
}

#[tokio::test]
async fn a_process_that_eats_power_is_told() {
    let fill = |estate: &Estate| {
        for (pid, exe, watts) in [("41", "train", 80.0), ("42", "nginx", 2.0)] {
            let labels = format!("{{instance=\"edge-1:8080\",pid=\"{pid}\",exe=\"{exe}\",cmdline=\"{exe}\"}}");
            let name = format!("scaph_process_power_consumption_microwatts{labels}");
            estate.series(&name, ON, |_| watts * 1e6);
        }
    };
    let told = "exe=train,host=edge-1,pid=41: train (pid 41) on edge-1 takes 80 W";
    check("ProcessEatsPower", fill, told).await;
}

#[tokio::test]
async fn power_readings_that_stop_are_told() {
    let fill = |estate: &Estate| {
        estate.series("scaph_host_power_microwatts{instance=\"gone:8080\"}", -600, |_| 1e8);
        estate.series("scaph_host_power_microwatts{instance=\"here:8080\"}", 0, |_| 1e8);
    };
    let told = "host=gone,source=scaphandre: scaphandre has not measured gone for 600 s";
    check("PowerReadingsStopped", fill, told).await;
}
