//! The twin is written to InfluxDB 1.x, VictoriaMetrics and InfluxDB 2.x, and independent clients read it back.

use flyball_tests::counterparts::{Influxdb1, Influxdb2, VictoriaMetrics};
use flyball_tests::http::block_on;
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, Python, otlp, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn with_store(store: Value) -> Flyball {
    let flyball = Flyball::start(json!({"store": {"influxdb": [store]}, "twin": {"snapshot_every": "500ms"}}));
    let point = |value| vec![otlp::point(&[], now_nanos(), value)];
    let metrics = vec![otlp::gauge("node_load1", point(0.75)), otlp::gauge("node_load5", point(0.5))];
    let request = otlp::metrics(&[("host.name", "edge-9 at \"home, sweet\"=1")], metrics);
    otlp::send(&flyball.http, &request).expect_status(200);
    let node = flyball.wait_for_rows("SELECT id, load1 FROM twin.node", |rows| !rows.is_empty());
    assert_eq!(node.rows, [[json!(NODE), json!(0.75)]]);
    flyball
}

/// An id with all that line protocol must escape.
const NODE: &str = "edge-9 at \"home, sweet\"=1";

#[test]
fn influxdb_1_has_the_twin_in_a_database_that_flyball_created() {
    let Some(influxdb) = Influxdb1::start() else { return };
    let _flyball = with_store(
        json!({"url": influxdb.http.base(), "version": 1, "bucket": "estate 1", "write": ["twin", "metrics"]}),
    );

    let read = |query: &str| {
        wait_until(query, SOON, || {
            influxdb.query("estate 1", query).into_iter().next().ok_or_else(|| "no series".to_owned())
        })
    };
    let node = read("SELECT load1, load5, age_seconds FROM twin_node GROUP BY id ORDER BY time DESC LIMIT 1");
    assert_eq!(node["tags"]["id"], NODE);
    assert_eq!(node["columns"], json!(["time", "load1", "load5", "age_seconds"]));
    assert_eq!((&node["values"][0][1], &node["values"][0][2]), (&json!(0.75), &json!(0.5)));
    assert!(node["values"][0][3].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{node}");
    let at = node["values"][0][0].as_u64().expect("nanoseconds");
    assert!(now_nanos().abs_diff(at) < 60_000_000_000, "{node}");

    let metric = read("SELECT * FROM node_load1");
    assert!(metric["columns"].as_array().is_some_and(|columns| columns.contains(&json!("host_name"))), "{metric}");
}

#[test]
fn victoriametrics_has_the_twin() {
    let Some(victoria) = VictoriaMetrics::start() else { return };
    let _flyball =
        with_store(json!({"url": victoria.http.base(), "version": 1, "bucket": "estate", "write": ["twin"]}));
    let found = wait_until("the node in VictoriaMetrics", SOON, || {
        victoria.export("{__name__=\"twin_node_load1\"}").into_iter().next().ok_or_else(|| "no series".to_owned())
    });
    assert_eq!((&found["metric"]["id"], &found["metric"]["db"]), (&json!(NODE), &json!("estate")));
    assert_eq!(found["values"][0], 0.75);
}

#[test]
fn influxdb_2_has_the_twin_for_a_rust_and_a_python_client() {
    let Some(influxdb) = Influxdb2::start() else { return };
    let Some(python) = Python::need() else { return };
    let (org, bucket, token) = (Influxdb2::ORG, Influxdb2::BUCKET, Influxdb2::TOKEN);
    let _flyball = with_store(json!({
        "url": influxdb.http.base(), "version": 2, "org": org, "bucket": bucket, "token": token, "write": ["twin"],
    }));

    let flux = format!(
        "from(bucket: \"{bucket}\") |> range(start: -1h) |> filter(fn: (r) => r._measurement == \"twin_node\" and r._field == \"load1\")"
    );
    let client = influxdb2::Client::new(influxdb.http.base(), org, token);
    let record = wait_until("the node, for the crate influxdb2", SOON, || {
        let query = influxdb2::models::Query::new(flux.clone());
        let records = block_on(client.query_raw(Some(query))).map_err(|error| error.to_string())?;
        records.into_iter().next().ok_or_else(|| "no record".to_owned())
    });
    assert_eq!(record.values.get("id").and_then(|value| value.string()), Some(NODE.to_owned()));
    assert_eq!(record.values.get("_value").and_then(|value| value.f64()), Some(0.75));

    let text = python.run("influxdb2_read.py", &[influxdb.http.base(), token, org, bucket, "twin_node"]);
    let records: Vec<Value> = serde_json::from_str(&text).expect("a JSON list");
    let load5 = records.iter().find(|record| record["_field"] == "load5").expect("the field load5");
    assert_eq!((&load5["id"], &load5["_value"]), (&json!(NODE), &json!(0.5)));
}

#[test]
fn a_store_that_is_down_delays_nothing_and_is_caught_up() {
    let Some(_) = flyball_tests::need("influxd", "apt-get install influxdb") else { return };
    let address = format!("127.0.0.1:{}", flyball_tests::ports::free_port());
    let store = json!({"url": format!("http://{address}"), "version": 1, "bucket": "estate", "write": ["metrics"]});
    let flyball = Flyball::start(json!({"store": {"influxdb": [store]}}));
    for value in 0..3 {
        otlp::send_gauge(&flyball.http, "down_time", &[("host", "a")], f64::from(value));
    }
    assert_eq!(
        flyball.sql("SELECT value FROM down_time ORDER BY time").rows,
        [[json!(0.0)], [json!(1.0)], [json!(2.0)]]
    );

    let influxdb = Influxdb1::start_on(&address).expect("looked for above");
    let found = wait_until("all that was sent before the store was there", Duration::from_secs(60), || {
        let series = influxdb.query("estate", "SELECT value FROM down_time");
        let values = series.first().and_then(|series| series["values"].as_array()).map_or(0, Vec::len);
        if values == 3 { Ok(series) } else { Err(format!("{values} points")) }
    });
    let values = found[0]["values"].as_array().into_iter().flatten().filter_map(|row| row[1].as_f64());
    assert_eq!(values.collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
}
