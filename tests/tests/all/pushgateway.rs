//! Pushes as to a Pushgateway.

use std::process::Command;

use flyball_tests::process::run;
use flyball_tests::{Flyball, need};
use serde_json::json;

#[test]
fn a_push_of_scaphandre_is_stored_with_the_labels_of_its_path() {
    let flyball = Flyball::start(json!({}));
    let text = include_str!("../../data/scaphandre.prom");
    let plain = [("content-type", "text/plain")];
    flyball.http.post("/metrics/job/scaphandre/instance/edge-7", &plain, text).expect_status(202);
    let rows = flyball.sql("SELECT job, instance, value FROM scaph_host_power_microwatts");
    assert_eq!(rows.rows, [[json!("scaphandre"), json!("edge-7"), json!(41_250_000.0)]]);

    // COMPSs: its own labels give way to those of the path, and curl says that it sends a form.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "# TYPE deadlines_missed_t1 gauge\ndeadlines_missed_t1{job=\"own\",worker=\"w1\"} 3\n";
    flyball.http.post("/metrics/job/compss", &form, body).expect_status(202);
    let rows = flyball.sql("SELECT job, worker, value FROM deadlines_missed_t1");
    assert_eq!(rows.rows, [[json!("compss"), json!("w1"), json!(3.0)]]);

    let answer = flyball.http.post("/metrics/job/compss", &plain, "good 1\nbad line\n").expect_status(400);
    assert!(answer.text().starts_with("line 2, column 5: 'line' is not a value"), "{}", answer.text());
    let good = flyball.sql("SELECT * FROM metrics WHERE name = 'good'");
    assert!(good.is_empty(), "one bad line refuses all: {good:?}");
    let told =
        flyball.sql("SELECT points FROM flyball.ledger WHERE source LIKE 'pushgateway/%' AND reason = 'malformed'");
    assert_eq!(told.rows, [[json!(1)]]);
    // Flyball's own metrics are still where they were.
    assert!(flyball.http.get("/metrics").expect_status(200).text().contains("flyball_"));
}

#[test]
fn curl_pushes() {
    let Some(curl) = need("curl", "apt-get install curl") else { return };
    let flyball = Flyball::start(json!({}));
    let file = flyball.dir().join("batch.prom");
    std::fs::write(&file, "# TYPE rows_total counter\nrows_total{table=\"a b\"} 12\nlast_success 1.5e9\n")
        .expect("the folder can be written");
    // As the examples of Pushgateway and node_exporter do it; `@base64` for a value with a slash.
    let url = format!("{}/metrics/job@base64/Li9iYXRjaA/instance/edge-7", flyball.http.base());
    for method in ["POST", "PUT"] {
        let mut command = Command::new(&curl);
        command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "-X", method, "--data-binary"]);
        let finished = run(command.arg(format!("@{}", file.display())).arg(&url));
        assert!(finished.status.success(), "{method}: {}{}", finished.stdout, finished.stderr);
    }
    let rows = flyball.sql("SELECT DISTINCT job, instance, \"table\", value FROM rows_total");
    assert_eq!(rows.rows, [[json!("./batch"), json!("edge-7"), json!("a b"), json!(12.0)]]);
    let rows = flyball.sql("SELECT DISTINCT job, value FROM last_success");
    assert_eq!(rows.rows, [[json!("./batch"), json!(1.5e9)]]);
    assert_eq!(flyball.ledger("stored", ""), 4);
}
