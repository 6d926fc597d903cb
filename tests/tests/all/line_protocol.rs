//! Telegraf and the clients of InfluxDB write line protocol to the paths of InfluxDB 1.x, 2.x and 3; Telegraf speaks OTLP, too.

use flyball_tests::counterparts::send_with_telegraf;
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, Python};
use serde_json::{Value, json};

/// What Telegraf reads; `python/influx_write.py` writes the same.
fn weather(at: u64) -> String {
    let roof = "weather\\ report,station=north\\ roof,zone=a\\,b\\=c";
    let note = r#""größer als \"5\" \\ 7""#;
    format!(
        "{roof} temperature=21.53125,humidity=55i,gusts=7u,raining=false,photons=9007199254740993i,note={note} {at}\n\
         weather\\ report,station=cellar temperature=-3e-7 {}\n",
        at + 1
    )
}

#[test]
fn telegraf_writes_as_to_influxdb_1() {
    let (flyball, at) = start();
    let options = format!("urls = [\"{}\"]\ndatabase = \"estate\"\ninflux_uint_support = true", flyball.http.base());
    let Some(()) = send_with_telegraf(&weather(at), "influxdb", &options) else { return };
    check(&flyball, at);
    // It asks for its database to be made before it writes.
    let databases = flyball.http.get("/query?q=SHOW+DATABASES").expect_status(200).text();
    assert!(databases.contains("estate"), "{databases}");
}

#[test]
fn telegraf_writes_as_to_influxdb_2() {
    let (flyball, at) = start();
    let options = format!(
        "urls = [\"{}\"]\ntoken = \"any\"\norganization = \"any\"\nbucket = \"estate\"\ninflux_uint_support = true",
        flyball.http.base()
    );
    let Some(()) = send_with_telegraf(&weather(at), "influxdb_v2", &options) else { return };
    check(&flyball, at);
}

#[test]
fn the_python_clients_of_influxdb_2_and_3_write() {
    let Some(python) = Python::need() else { return };
    for version in ["2", "3"] {
        let (flyball, at) = start();
        python.run("influx_write.py", &[version, flyball.http.base(), "estate", &at.to_string()]);
        check(&flyball, at);
    }
}

#[test]
fn telegraf_exports_over_otlp() {
    let (flyball, at) = start();
    let options = format!("service_address = \"{}\"\ncompression = \"gzip\"", flyball.otlp_grpc);
    let Some(()) = send_with_telegraf(&weather(at), "opentelemetry", &options) else { return };
    // What OTLP has no point for, texts and booleans, Telegraf does not send.
    check_numbers(&flyball, at, &Value::Null);
    let odd = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(odd.is_empty(), "{odd:?}");
}

fn start() -> (Flyball, u64) {
    (Flyball::start(json!({})), now_nanos() - 5_000_000_000)
}

/// Looks for every field.
#[track_caller]
fn check(flyball: &Flyball, at: u64) {
    check_numbers(flyball, at, &json!("estate"));
    let raining = flyball.sql("SELECT CAST(time AS BIGINT) AS nanos, station, value FROM weather_report_raining");
    assert_eq!(raining.rows, [[json!(at), json!("north roof"), json!(0.0)]], "false is 0");
    let texts = flyball.sql("SELECT CAST(time AS BIGINT) AS nanos, name, value, db, station, zone FROM texts");
    let note = json!("größer als \"5\" \\ 7");
    let expected =
        [json!(at), json!("weather_report_note"), note, json!("estate"), json!("north roof"), json!("a,b=c")];
    assert_eq!(texts.rows, [expected]);
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
}

#[track_caller]
fn check_numbers(flyball: &Flyball, at: u64, database: &Value) {
    let columns = if database.is_null() { "NULL" } else { "db" };
    let roof = |value: f64| vec![json!(at), json!(value), database.clone(), json!("north roof"), json!("a,b=c")];
    let cellar = vec![json!(at + 1), json!(-3.0e-7), database.clone(), json!("cellar"), Value::Null];
    for (field, expected) in [
        ("temperature", vec![roof(21.53125), cellar]),
        ("humidity", vec![roof(55.0)]),
        ("gusts", vec![roof(7.0)]),
        ("photons", vec![roof(9_007_199_254_740_992.0)]),
    ] {
        let sql = format!(
            "SELECT CAST(time AS BIGINT) AS nanos, value, {columns} AS db, station, zone FROM weather_report_{field} ORDER BY time"
        );
        assert_eq!(flyball.sql(&sql).rows, expected, "{sql}");
    }
    // An integer that no float is: the nearest one is stored, and counted as such.
    assert_eq!(flyball.ledger("stored", "rounded"), 1);
}
