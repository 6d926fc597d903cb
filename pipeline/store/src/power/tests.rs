//! The table `power` from real expositions.

use std::sync::Arc;

use flyball_model::{PointBatch, UnixNanos};

use crate::Store;
use crate::testing::{folder, open, put, series, sql};

const SCAPHANDRE: &str = include_str!("../../tests/data/scaphandre.prom");
const KEPLER: &str = include_str!("../../tests/data/kepler.prom");

/// Takes an exposition as a scraper of `instance` would; values get `add` on top.
fn scrape(store: &Arc<Store>, text: &str, instance: &str, at: i64, add: f64) {
    let mut batch = PointBatch::default();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (head, value) = line.rsplit_once(' ').expect("a name and a value");
        let (name, labels) = head.trim_end_matches('}').split_once('{').unwrap_or((head, ""));
        let mut pairs = vec![("instance", instance)];
        let mut rest = labels;
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a closing quote");
            pairs.push((name, value));
            rest = after.trim_start_matches(',');
        }
        let value: f64 = value.parse().expect("a number");
        batch.push(series(store, name, &pairs), UnixNanos::from_secs(at), value + add);
    }
    store.append_unlogged(batch);
}

#[tokio::test]
async fn scaphandre_speaks_of_host_socket_domains_and_processes() {
    let dir = folder();
    let store = open(&dir);
    scrape(&store, SCAPHANDRE, "edge-1:8080", 10, 0.0);
    let rows = sql(
        &store,
        "SELECT host, scope, domain, pid, exe, container_id, pod, namespace, socket, watts, joules FROM power \
         WHERE source = 'scaphandre' ORDER BY scope, domain, pid, joules NULLS FIRST",
    )
    .await;
    assert_eq!(
        rows,
        [
            "edge-1|domain|dram||||||0|2.012|",
            "edge-1|domain|uncore||||||0|0.31|",
            "edge-1|host|psys|||||||41.25|",
            "edge-1|host|psys||||||||920113.377",
            "edge-1|process||4411|nginx|b0a1|web-7f9c-x2|shop||1.5|",
            "edge-1|process||912|python3.11|||||18.4|",
            "edge-1|socket|package||||||0|30.11|",
        ]
    );
    assert_eq!(sql(&store, "SELECT watts FROM power WHERE pid = 912 AND cmdline LIKE '%train.py%'").await, ["18.4"]);
}

#[tokio::test]
async fn kepler_speaks_of_nodes_pods_and_containers_by_old_and_new_names() {
    let dir = folder();
    let store = open(&dir);
    scrape(&store, KEPLER, "k:28282", 10, 0.0);
    scrape(&store, KEPLER, "k:28282", 20, 5.0);
    let rows = sql(
        &store,
        "SELECT host, scope, domain, container_id, pod, namespace, socket, watts, joules FROM power \
         WHERE source = 'kepler' AND time = '1970-01-01T00:00:20Z' ORDER BY scope, domain",
    )
    .await;
    assert_eq!(
        rows,
        [
            "k|container|package|c0ff|db-0|shop||0.5|17006.0",
            "edge-2|domain|dram||||0|6.5|",
            "edge-2|host|package+dram|||||34.25|",
            "edge-2|pod|package||db-0|shop||0.5|18417.5",
            "edge-2|socket|package||||0|27.75|",
        ]
    );
    // The first reading of a counter that has no gauge says joules only.
    let first = "SELECT watts, joules FROM power WHERE scope = 'pod' AND time = '1970-01-01T00:00:10Z'";
    assert_eq!(sql(&store, first).await, ["|18412.5"]);
}

#[tokio::test]
async fn watts_at_the_start_of_a_range_are_made_with_the_point_before_it() {
    let dir = folder();
    let store = open(&dir);
    for at in 0..10 {
        scrape(&store, KEPLER, "k:28282", at * 60, at as f64 * 120.0);
        if at == 4 {
            store.flush().expect("a writable folder");
        }
    }
    let query = "SELECT count(watts), min(watts), max(watts) FROM power \
                 WHERE scope = 'pod' AND time >= '1970-01-01T00:05:00Z'";
    assert_eq!(sql(&store, query).await, ["5|2.0|2.0"]);
}

#[tokio::test]
async fn rapl_counters_give_each_socket_and_the_host() {
    let dir = folder();
    let store = open(&dir);
    for (at, joules) in [(0, 100.0), (10, 200.0), (4000, 300.0), (4010, 500.0)] {
        for socket in ["0", "1"] {
            let path = format!("/sys/class/powercap/intel-rapl:{socket}");
            let labels = [("index", socket), ("path", path.as_str()), ("instance", "n:9100")];
            put(&store, "node_rapl_package_joules_total", &labels, at, joules);
        }
        let mmio = [("index", "0"), ("path", "/sys/class/powercap/intel-rapl-mmio:0"), ("instance", "n:9100")];
        put(&store, "node_rapl_package_joules_total", &mmio, at, joules);
        let dram = [("index", "0"), ("path", "/sys/class/powercap/intel-rapl:0:0"), ("instance", "n:9100")];
        put(&store, "node_rapl_dram_joules_total", &dram, at, joules / 10.0);
    }
    let query = "SELECT scope, domain, socket, to_unixtime(time), watts, joules FROM power \
                 WHERE source = 'rapl' AND to_unixtime(time) IN (0, 10, 4010) ORDER BY scope, domain, socket, time";
    assert_eq!(
        sql(&store, query).await,
        [
            "domain|dram|0|0||10.0",
            "domain|dram|0|10|1.0|20.0",
            "domain|dram|0|4010|2.0|50.0",
            "host|package+dram||0||210.0",
            "host|package+dram||10|21.0|420.0",
            "host|package+dram||4010|42.0|1050.0",
            "socket|package|0|0||100.0",
            "socket|package|0|10|10.0|200.0",
            "socket|package|0|4010|20.0|500.0",
            "socket|package|1|0||100.0",
            "socket|package|1|10|10.0|200.0",
            "socket|package|1|4010|20.0|500.0",
        ]
    );
}

#[tokio::test]
async fn a_host_that_names_its_total_gets_no_sum_beside_it() {
    let dir = folder();
    let store = open(&dir);
    for (zone, watts) in [("psys", 40.0), ("package", 30.0), ("dram", 2.0)] {
        put(&store, "kepler_node_cpu_watts", &[("node_name", "n"), ("zone", zone)], 1, watts);
        put(&store, "kepler_node_cpu_active_watts", &[("node_name", "n"), ("zone", zone)], 1, watts / 2.0);
    }
    put(&store, "kepler_platform_watts", &[("node_name", "n")], 1, 55.0);
    assert_eq!(
        sql(&store, "SELECT source, domain, watts FROM power WHERE scope = 'host' ORDER BY source").await,
        ["ipmi|platform|55.0", "kepler|psys|40.0"]
    );
    assert_eq!(sql(&store, "SELECT count(*) FROM power").await, ["4"]);
}

#[tokio::test]
async fn dynamic_and_idle_parts_of_old_kepler_are_one_row() {
    let dir = folder();
    let store = open(&dir);
    for (at, dynamic, idle) in [(0, 10.0, 100.0), (10, 30.0, 130.0)] {
        for (mode, joules) in [("dynamic", dynamic), ("idle", idle)] {
            let labels = [("pid", "7"), ("command", "db"), ("mode", mode), ("source", "rapl"), ("instance", "n:1")];
            put(&store, "kepler_process_package_joules_total", &labels, at, joules);
        }
    }
    assert_eq!(
        sql(&store, "SELECT pid, exe, source, watts, joules FROM power ORDER BY time").await,
        ["7|db|kepler||110.0", "7|db|kepler|5.0|160.0"]
    );
}

#[tokio::test]
async fn zero_watts_after_a_wrap_are_unknown_and_no_idleness() {
    let dir = folder();
    let store = open(&dir);
    for (at, microwatts) in [(1, 5e6), (2, 0.0), (3, f64::NAN)] {
        put(&store, "scaph_socket_power_microwatts", &[("socket_id", "0")], at, microwatts);
        put(&store, "scaph_process_power_consumption_microwatts", &[("pid", "1")], at, microwatts);
    }
    let query = |scope: &str| format!("SELECT watts FROM power WHERE scope = '{scope}' ORDER BY time");
    assert_eq!(sql(&store, &query("socket")).await, ["5.0", ""]);
    assert_eq!(sql(&store, &query("process")).await, ["5.0", "0.0"]);
}

#[tokio::test]
async fn consumers_that_a_query_does_not_want_are_not_read() {
    let dir = folder();
    let store = open(&dir);
    scrape(&store, SCAPHANDRE, "edge-1:8080", 10, 0.0);
    store.flush().expect("a writable folder");
    let rows = async |query: &str| {
        let before = store.stats().history_rows_read;
        sql(&store, query).await;
        store.stats().history_rows_read - before
    };
    assert_eq!(rows("SELECT * FROM power WHERE pid = '912'").await, 1);
    assert_eq!(rows("SELECT * FROM power WHERE host = 'elsewhere'").await, 0);
    assert_eq!(rows("SELECT count(*) FROM power WHERE scope = 'host' AND time < '1970-01-01T00:00:05Z'").await, 0);
}

#[test]
fn the_metrics_behind_the_table_are_known() {
    let dir = folder();
    let store = open(&dir);
    scrape(&store, KEPLER, "k:1", 1, 0.0);
    put(&store, "node_load1", &[], 1, 0.0);
    let view = store.registry().read();
    let metrics = store.power_metrics(&view);
    let names: Vec<_> = metrics.into_iter().map(|metric| view.metric_name(metric).as_ref()).collect();
    assert_eq!(
        names,
        ["kepler_node_cpu_watts", "kepler_pod_cpu_joules_total", "kepler_container_package_joules_total"]
    );
}
