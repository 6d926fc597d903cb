//! The dashboard and the alert rules speak of metrics that flyball has.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use flyball_tests::process::run;
use flyball_tests::{Flyball, need};
use serde_json::json;

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace");
    root.join("dashboards").join(name)
}

/// Every word that begins as a metric of flyball does.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("flyball_")).collect()
}

#[test]
fn every_metric_that_they_name_is_on_the_page() {
    let flyball = Flyball::start(json!({}));
    let page = flyball.http.get("/metrics").expect_status(200).text();
    let typed: HashSet<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in ["alerts.yaml", "flyball.json"] {
        let text = std::fs::read_to_string(file(name)).expect("a file of this repository");
        let unknown: Vec<_> = metrics(&text).into_iter().filter(|metric| !typed.contains(metric)).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}, which flyball does not have");
    }
}

#[test]
fn prometheus_takes_the_alert_rules() {
    let Some(promtool) = need("promtool", "apt-get install prometheus") else { return };
    let checked = run(std::process::Command::new(promtool).args(["check", "rules"]).arg(file("alerts.yaml")));
    assert!(checked.status.success(), "{}{}", checked.stdout, checked.stderr);
}
