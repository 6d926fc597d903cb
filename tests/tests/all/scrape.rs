//! flyball asks targets for their metrics by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flyball_tests::counterparts::{Exposition, Kubernetes, NodeExporter, Prometheus};
use flyball_tests::{Flyball, wait_until};
use serde_json::{Value, json};

/// A series: its name and its labels.
type Series = (String, BTreeMap<String, String>);

fn scrape(jobs: Value) -> Flyball {
    Flyball::start(json!({"receivers": {"scrape": jobs}}))
}

/// Targets as `GET /api/v1/targets` shows them.
fn targets(flyball: &Flyball) -> Vec<Value> {
    let document = flyball.http.get("/api/v1/targets").expect_status(200).json();
    document["data"]["activeTargets"].as_array().cloned().unwrap_or_else(|| panic!("{document}"))
}

#[test]
fn what_scaphandre_and_kepler_say_is_power() {
    let (scaphandre, kepler) = (Exposition::serve("scaphandre.prom"), Exposition::serve("kepler.prom"));
    let flyball = scrape(json!([
        {"job": "scaphandre", "url": format!("http://{}/metrics", scaphandre.address), "every": "500ms", "labels": {"host": "edge-1"}},
        {"job": "kepler", "static_configs": [{"targets": [kepler.address]}], "every": "500ms"},
    ]));
    for (source, wanted, column, value) in [
        ("scaphandre", "host = 'edge-1' AND scope = 'host'", "watts", 41.25),
        ("scaphandre", "scope = 'host'", "joules", 920_113.377),
        ("scaphandre", "exe = 'nginx' AND pid = '4411' AND pod = 'web-7f9c-x2'", "watts", 1.5),
        ("kepler", "host = 'edge-2' AND domain = 'dram'", "watts", 1.5),
        ("kepler", "scope = 'pod' AND pod = 'db-0' AND namespace = 'shop'", "joules", 18_412.5),
    ] {
        let sql = format!(
            "SELECT DISTINCT {column} FROM power WHERE source = '{source}' AND {wanted} AND {column} IS NOT NULL"
        );
        let rows = flyball.wait_for_rows(&sql, |rows| !rows.is_empty());
        let found = rows.number(0, column);
        assert!((found - value).abs() <= value * 1e-12, "{sql}: {found}, not {value}");
    }
    let kinds = flyball.sql("SELECT kind FROM flyball.metric_info WHERE metric = 'scaph_host_energy_microjoules'");
    assert_eq!(kinds.rows, [[json!("counter")]]);
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_node_exporter_has_the_same_series_as_in_prometheus_until_it_is_gone() {
    let Some(exporter) = NodeExporter::start() else { return };
    let flyball = scrape(json!([
        {"job": "node", "url": format!("http://{}/metrics", exporter.address), "every": "1s"},
    ]));
    let remote_write = "http://127.0.0.1:1/nobody";
    let Some(prometheus) = Prometheus::start(&[("node", &exporter.address)], remote_write) else { return };
    wait_until("the same series in both", Duration::from_secs(60), || {
        let theirs: BTreeSet<Series> = prometheus.query("{job=\"node\"}").iter().map(of_prometheus).collect();
        let ours = of_flyball(&flyball);
        let missing: Vec<_> = theirs.difference(&ours).collect();
        let extra: Vec<_> = ours.difference(&theirs).collect();
        if theirs.len() > 300 && missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        Err(format!("{} there; missing {:?}; extra {:?}", theirs.len(), missing.first(), extra.first()))
    });
    // Ours counts what was stored, theirs what was parsed.
    let count = |value: &Value| value["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
    let theirs = prometheus.query("scrape_samples_scraped").first().and_then(count).expect("a count");
    let ours = flyball.sql("SELECT value FROM scrape_samples_scraped ORDER BY time DESC LIMIT 1").number(0, "value");
    assert!((ours - theirs).abs() < 20.0, "{ours} here, {theirs} there");
    // A scrape's samples lie at the target's place in the second, all at one time.
    let times = flyball.sql(
        "SELECT DISTINCT time FROM metrics WHERE name IN ('node_load1', 'node_load5', 'up') AND value IS NOT NULL",
    );
    let scrapes = flyball.sql("SELECT count(*) AS n FROM node_load1").number(0, "n");
    assert!((times.len() as f64 - scrapes).abs() <= 1.0, "{} times of {scrapes} scrapes", times.len());

    drop(exporter);
    flyball.wait_for_rows("SELECT value FROM up ORDER BY time DESC LIMIT 1", |rows| rows.number(0, "value") == 0.0);
    let last = flyball.sql("SELECT value FROM node_load1 ORDER BY time DESC LIMIT 1");
    assert_eq!(last.rows, [[Value::Null]], "the series ends when its target does");
    let target = &targets(&flyball)[0];
    assert_eq!(target["health"], "down", "{target}");
}

fn of_prometheus(series: &Value) -> Series {
    let mut labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).expect("labels");
    (labels.remove("__name__").expect("a name"), labels)
}

fn of_flyball(flyball: &Flyball) -> BTreeSet<Series> {
    let rows = flyball.sql("SELECT DISTINCT name, labels FROM metrics WHERE value IS NOT NULL");
    let series = (0..rows.len()).map(|row| {
        let labels: BTreeMap<String, String> = serde_json::from_value(rows.get(row, "labels").clone()).expect("a map");
        (rows.text(row, "name"), labels)
    });
    series.filter(|(_, labels)| labels.get("job").is_some_and(|job| job == "node")).collect()
}

#[test]
fn relabelling_chooses_series_and_a_file_chooses_targets() {
    let target = Exposition::serve("scaphandre.prom");
    let dir = flyball_tests::flyball::temp_dir();
    let file = dir.path().join("targets.yml");
    std::fs::write(&file, format!("- targets: ['{}']\n  labels: {{zone: a}}\n", target.address)).expect("writable");
    let flyball = scrape(json!([{
        "job": "files", "every": "500ms",
        "file_sd_configs": [{"files": [file], "refresh_interval": "200ms"}],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "scaph_process_.*", "action": "drop"},
            {"source_labels": ["domain_name"], "regex": "(.).*", "target_label": "short", "replacement": "${1}_"},
        ],
    }]));
    let rows = flyball.wait_for_rows(
        "SELECT DISTINCT zone, short FROM scaph_domain_power_microwatts WHERE domain_name = 'dram'",
        |rows| !rows.is_empty(),
    );
    assert_eq!(rows.rows, [[json!("a"), json!("d_")]]);
    let dropped = flyball.sql("SELECT count(*) AS n FROM flyball.series WHERE metric LIKE 'scaph_process_%'");
    assert_eq!(dropped.number(0, "n"), 0.0);
    let told = "SELECT points FROM flyball.ledger WHERE outcome = 'rejected' AND reason = 'relabelled'";
    flyball.wait_for_rows(told, |rows| !rows.is_empty() && rows.number(0, "points") > 0.0);
    let reported = |series: &str| {
        let sql = format!("SELECT max(value) AS n FROM metrics WHERE name = '{series}'");
        flyball.wait_for_rows(&sql, |rows| !rows.get(0, "n").is_null()).number(0, "n")
    };
    let (scraped, kept) = (reported("scrape_samples_scraped"), reported("scrape_samples_post_metric_relabeling"));
    assert!(scraped > kept && kept > 0.0, "{kept} of {scraped} samples are kept");

    std::fs::write(&file, "[]\n").expect("writable");
    wait_until("no target", Duration::from_secs(10), || match targets(&flyball).len() {
        0 => Ok(()),
        count => Err(format!("{count} targets")),
    });
    flyball.wait_for_rows("SELECT value FROM up ORDER BY time DESC LIMIT 1", |rows| rows.rows == [[Value::Null]]);
}

#[test]
fn pods_services_and_nodes_of_kubernetes_become_targets() {
    let Some(kubernetes) = Kubernetes::start() else { return };
    let exposition = Exposition::serve("scaphandre.prom");
    let port: u16 = exposition.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let pod = |name: &str, scrape: &str| {
        json!({
            "metadata": {"name": name, "labels": {"app": "scaphandre"}, "annotations": {"prometheus.io/scrape": scrape}},
            "spec": {"nodeName": "edge-1", "containers": [
                {"name": "app", "image": "scaphandre:1", "ports": [{"name": "metrics", "containerPort": port}]},
            ]},
        })
    };
    let run = |name: &str| {
        let status = json!({"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}]}});
        kubernetes.patch(&format!("api/v1/namespaces/default/pods/{name}/status"), &status);
    };
    kubernetes.create("api/v1/namespaces/default/pods", &pod("scaph-1", "true"));
    run("scaph-1");
    kubernetes.create("api/v1/nodes", &json!({"metadata": {"name": "edge-1", "labels": {"zone": "a"}}}));
    let addresses = json!({"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
    kubernetes.patch("api/v1/nodes/edge-1/status", &addresses);

    let access = |role: &str| json!({"role": role, "api_server": kubernetes.url, "bearer_token": Kubernetes::TOKEN, "tls": {"ca": kubernetes.ca}});
    let flyball = scrape(json!([
        {
            "job": "pods", "every": "500ms", "kubernetes_sd_configs": [access("pod")],
            "relabel_configs": [
                {"source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"], "regex": "true", "action": "keep"},
                {"regex": "__meta_kubernetes_pod_label_(.+)", "action": "labelmap"},
                {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod_name"},
            ],
        },
        {"job": "nodes", "every": "500ms", "kubernetes_sd_configs": [access("node")]},
        {"job": "services", "every": "10s", "kubernetes_sd_configs": [access("service")]},
        {
            "job": "apiserver", "url": format!("{}/metrics", kubernetes.url), "every": "1s", "bearer_token": Kubernetes::TOKEN,
            "tls": {"ca": kubernetes.ca, "server_name": "kubernetes.default.svc"},
        },
        {"job": "distrusted", "url": format!("{}/metrics", kubernetes.url), "every": "1s", "bearer_token": Kubernetes::TOKEN},
    ]));
    let seen = "SELECT DISTINCT pod_name, app, namespace FROM scaph_host_power_microwatts WHERE job = 'pods' ORDER BY pod_name";
    let rows = flyball.wait_for_rows(seen, |rows| !rows.is_empty());
    assert_eq!(rows.rows, [[json!("scaph-1"), json!("scaphandre"), json!("default")]]);

    // One that comes later, and one that does not want to be scraped.
    kubernetes.create("api/v1/namespaces/default/pods", &pod("scaph-2", "true"));
    kubernetes.create("api/v1/namespaces/default/pods", &pod("quiet", "false"));
    run("scaph-2");
    run("quiet");
    flyball.wait_for_rows(seen, |rows| rows.len() == 2 && rows.text(1, "pod_name") == "scaph-2");

    // One that goes.
    kubernetes.delete("api/v1/namespaces/default/pods/scaph-1");
    let last = "SELECT value FROM up WHERE pod_name = 'scaph-1' ORDER BY time DESC LIMIT 1";
    flyball.wait_for_rows(last, |rows| rows.rows == [[Value::Null]]);
    let pools: BTreeSet<_> = targets(&flyball).iter().map(|target| target["scrapePool"].to_string()).collect();
    assert_eq!(pools.len(), 5, "{pools:?}");

    let node = flyball
        .wait_for_rows("SELECT DISTINCT instance FROM scaph_host_power_microwatts WHERE job = 'nodes'", |rows| {
            !rows.is_empty()
        });
    assert_eq!(node.rows, [[json!("edge-1")]]);
    let service = targets(&flyball).into_iter().find(|target| target["scrapePool"] == "services").expect("a service");
    assert_eq!(service["discoveredLabels"]["__address__"], "kubernetes.default.svc:443");
    assert_eq!(service["discoveredLabels"]["__meta_kubernetes_service_port_name"], "https");

    // The API server itself, over TLS with a certificate of its own.
    flyball.wait_for_rows("SELECT value FROM up WHERE job = 'apiserver' AND value = 1", |rows| !rows.is_empty());
    let scraped =
        flyball.sql("SELECT max(value) AS n FROM scrape_samples_scraped WHERE job = 'apiserver'").number(0, "n");
    assert!(scraped > 1000.0, "{scraped} samples");
    flyball.wait_for_rows("SELECT value FROM up WHERE job = 'distrusted' AND value = 0", |rows| !rows.is_empty());
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
}
