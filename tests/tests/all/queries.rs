//! Answers to queries: their formats, their functions, their limits.

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use arrow::ipc::reader::StreamReader;
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, otlp, remote_write, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

/// A series that grows without end.
const ENDLESS: &str = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t";

fn with_rooms() -> Flyball {
    let flyball = Flyball::start(json!({}));
    let at = now_nanos();
    let points = vec![otlp::point(&[("room", "a, \"b\"")], at, 1.5), otlp::point(&[("room", "c")], at, -2.0)];
    otlp::send(&flyball.http, &otlp::metrics(&[], vec![otlp::gauge("Room.Temperature", points)])).expect_status(200);
    flyball
}

#[test]
fn rows_come_as_json_csv_and_arrow() {
    let flyball = with_rooms();
    let sql = "SELECT room, value FROM Room_Temperature ORDER BY room";
    let json = flyball.sql_as(sql, "json").expect_status(200);
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.json()["rows"], json!([["a, \"b\"", 1.5], ["c", -2.0]]));
    assert!(json.json()["elapsed_ms"].is_number());

    let csv = flyball.sql_as(sql, "csv").expect_status(200);
    assert_eq!(csv.text().lines().collect::<Vec<_>>(), ["room,value", "\"a, \"\"b\"\"\",1.5", "c,-2.0"]);

    let arrow = flyball.sql_as(sql, "arrow").expect_status(200);
    let mut batches = StreamReader::try_new(arrow.body.as_slice(), None).expect("an IPC stream");
    let batch = batches.next().expect("a batch").expect("a batch that can be read");
    assert_eq!(batch.column_by_name("value").expect("the column").as_primitive::<Float64Type>().values(), &[1.5, -2.0]);
}

#[test]
fn names_match_exactly_first_and_else_without_case() {
    let flyball = with_rooms();
    for table in ["Room_Temperature", "room_temperature", "\"Room.Temperature\""] {
        assert_eq!(flyball.sql(&format!("SELECT ROOM FROM {table} WHERE value < 0")).rows, [[json!("c")]], "{table}");
    }
}

#[test]
fn a_query_that_cannot_be_answered_says_why_in_the_one_shape_of_errors() {
    let flyball = with_rooms();
    for (sql, word) in [
        ("SELECT rom FROM Room_Temperature", "room"),
        ("SELECT * FROM Room_Temperatur", "Room_Temperature"),
        ("SELECT", ""),
        ("DROP TABLE Room_Temperature", "SELECT"),
        ("SELECT 1 / 0", ""),
    ] {
        let answer = flyball.sql_as(sql, "json").expect_status(400).json();
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains(word) && !message.is_empty(), "{sql}: {message}");
        assert!(answer["error"]["code"].is_string(), "{answer}");
    }
    let answer = flyball.http.post("/api/v1/sql", &[("content-type", "application/json")], "{").expect_status(400);
    assert!(answer.json()["error"]["hint"].is_string());
}

#[test]
fn clients_of_influxdb_3_ask_in_their_own_shape() {
    let flyball = with_rooms();
    let sql = "SELECT room, value FROM Room_Temperature WHERE value < 0";
    let path = format!("/api/v3/query_sql?db=any&q={}", sql.replace(' ', "%20").replace('<', "%3C"));
    let answer = flyball.http.get(&path).expect_status(200).json();
    let [row] = answer.as_array().map(Vec::as_slice).expect("a list") else { panic!("{answer}") };
    assert_eq!((&row["room"], row["value"].is_number()), (&json!("c"), true));
    let ask =
        |body: Value| flyball.http.post("/api/v3/query_sql", &[("content-type", "application/json")], body.to_string());
    let lines = ask(json!({"db": "any", "q": sql, "format": "jsonl"})).expect_status(200).text();
    assert_eq!(lines, format!("{row}\n"));
    let csv = ask(json!({"q": sql, "format": "csv"})).expect_status(200).text();
    assert!(csv.starts_with("room,value"), "{csv}");
    for wrong in
        [json!({"q": "SELECT rom FROM Room_Temperature"}), json!({"q": sql, "format": "parquet"}), json!({"db": "d"})]
    {
        assert!(ask(wrong.clone()).expect_status(400).json()["error"].is_string(), "{wrong}");
    }
}

#[test]
fn a_query_that_reaches_a_limit_is_stopped_and_told_which() {
    let flyball = with_rooms();
    let rows = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + n FROM t WHERE n < 1024), \
        d AS (SELECT 1 FROM t AS a, t AS b, t AS c, t AS d, t AS e, t AS f) SELECT * FROM d";
    for (sql, codes) in [(rows, &["row_limit", "memory_limit"][..]), (ENDLESS, &["time_limit", "memory_limit"][..])] {
        let answer = flyball.sql_as(sql, "json").expect_status(422).json();
        let code = answer["error"]["code"].as_str().expect("a code");
        assert!(codes.contains(&code), "{sql}: {answer}");
    }
    // Whoever asks meanwhile is answered.
    assert_eq!(flyball.sql("SELECT 1 AS one").rows, [[json!(1)]]);
}

#[test]
fn range_functions_know_counter_resets() {
    let flyball = Flyball::start(json!({}));
    let now = i64::try_from(now_nanos() / 1_000_000).expect("milliseconds fit");
    // Up by 10 every 10 s, and back to zero once on the way.
    for (index, value) in [0.0, 10.0, 20.0, 30.0, 10.0, 20.0].into_iter().enumerate() {
        let at = now - 50_000 + i64::try_from(index).expect("small") * 10_000;
        remote_write::send(
            &flyball.http,
            vec![remote_write::series(&[("__name__", "served_total"), ("app", "web")], at, value)],
        )
        .expect_status(204);
    }
    let one = |sql: &str| flyball.sql(sql).number(0, "value");
    assert_eq!(one("SELECT value FROM latest(served_total, INTERVAL '5 minutes')"), 20.0);
    assert_eq!(one("SELECT value FROM max_over(served_total, INTERVAL '5 minutes')"), 30.0);
    assert_eq!(one("SELECT value FROM min_over(served_total, INTERVAL '5 minutes')"), 0.0);
    assert_eq!(one("SELECT value FROM avg_over(served_total, INTERVAL '5 minutes')"), 15.0);
    assert_eq!(one("SELECT value FROM quantile_over(served_total, INTERVAL '5 minutes', 1.0)"), 30.0);
    // 30 up to the reset and 20 after it; how far a function reaches beyond the samples is its own affair.
    let increase = one("SELECT value FROM increase(served_total, INTERVAL '5 minutes')");
    assert!((50.0..=60.0).contains(&increase), "{increase}");
    let rate = one("SELECT value FROM rate(served_total, INTERVAL '5 minutes')");
    assert!(rate > 0.0 && rate <= 1.2, "{rate}");
    assert_eq!(flyball.sql("SELECT app FROM rate(served_total, INTERVAL '5 minutes')").rows, [[json!("web")]]);
}

#[test]
fn a_query_under_way_holds_up_neither_ingest_nor_other_queries() {
    let flyball = Flyball::start(json!({}));
    std::thread::scope(|scope| {
        let endless = scope.spawn(|| flyball.sql_as(ENDLESS, "json"));
        for value in 0..20 {
            otlp::send_gauge(&flyball.http, "meanwhile", &[], f64::from(value));
        }
        wait_until("the points sent meanwhile", Duration::from_secs(10), || {
            let rows = flyball.sql("SELECT count(*) AS points FROM meanwhile");
            if rows.number(0, "points") == 20.0 { Ok(()) } else { Err(format!("{rows:?}")) }
        });
        endless.join().expect("no panic").expect_status(422);
    });
}
