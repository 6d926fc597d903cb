use flyball_model::Kind;

use crate::query::testing::Fixture;

fn fixture() -> Fixture {
    Fixture::new()
        .describe("http_server_duration", "http.server.duration", "s")
        .series("node_memory_Active_bytes", &[("host", "a")], &[(990, 1.0)])
        .series("http_server_duration", &[("host", "a")], &[(990, 2.0)])
        .series("Twice", &[("host", "a")], &[(990, 3.0)])
        .series("twice", &[("Host", "b"), ("host", "a")], &[(990, 4.0)])
        .series("other", &[("host", "a")], &[(990, 5.0)])
}

#[tokio::test]
async fn an_unquoted_name_with_capitals_is_found() {
    fixture().check("SELECT value FROM node_memory_Active_bytes", &["1.0"]).await;
}

#[tokio::test]
async fn a_name_in_other_case_is_found_when_only_one_can_be_meant() {
    let fixture = fixture();
    for sql in [
        "SELECT value FROM NODE_MEMORY_ACTIVE_BYTES",
        "select VALUE from public.Node_Memory_Active_Bytes where HOST = 'a' and TIME <= NOW()",
        "SELECT M.Value FROM node_memory_active_bytes AS m ORDER BY M.Time",
        "WITH Totals AS (SELECT Sum(Value) AS Total FROM other GROUP BY Host) SELECT total - 4.0 FROM totals",
        "SELECT o.value - 4 FROM other o WHERE EXISTS (SELECT 1 FROM twice t WHERE t.host = O.HOST)",
        "SELECT count(*) AS N FROM other GROUP BY host HAVING n > 0 ORDER BY n",
        "SELECT a.value FROM node_memory_Active_bytes a JOIN other b USING (HOST)",
        "SELECT value - 4 FROM LATEST(Other)",
    ] {
        let rows = fixture.csv(sql).await;
        assert_eq!(rows[1].trim_end_matches(".0"), "1", "{sql}");
    }
}

#[tokio::test]
async fn an_exact_name_wins_over_one_in_other_case() {
    let fixture = fixture();
    fixture.check("SELECT value FROM Twice", &["3.0"]).await;
    fixture.check("SELECT value, host, Host FROM twice", &["4.0,a,b"]).await;
}

#[tokio::test]
async fn a_name_that_two_could_mean_is_refused_with_both() {
    let fixture = fixture();
    fixture.check_error("SELECT 1\nFROM TWICE", "2:6: 'TWICE' is ambiguous: write one of Twice, twice exactly").await;
    fixture
        .check_error("SELECT HOST FROM twice", "1:8: 'HOST' is ambiguous: write one of \"Host\", \"host\" exactly")
        .await;
    fixture
        .check_error(
            "SELECT host FROM other o JOIN twice t ON o.host = t.host",
            "1:8: 'host' is ambiguous: write one of o.host, t.host exactly",
        )
        .await;
}

#[tokio::test]
async fn a_dotted_name_works_in_quotes_and_its_unit_is_in_the_header() {
    let fixture = fixture();
    fixture.check("SELECT value FROM \"http.server.duration\"", &["2.0"]).await;
    fixture.check("SELECT value FROM \"HTTP.Server.Duration\"", &["2.0"]).await;
    fixture.check("SELECT value FROM latest(\"http.server.duration\")", &["2.0"]).await;
    fixture
        .check_error(
            "SELECT value FROM http.server.duration",
            "1:19: unknown table 'http.server.duration': did you mean \"http.server.duration\" (in double quotes)?",
        )
        .await;
}

#[tokio::test]
async fn a_metric_answers_to_the_name_that_exporters_to_prometheus_would_give_it() {
    let energy = "scaph_host_energy_microjoules";
    let fixture = fixture()
        .of_kind("http_server_duration", Kind::Histogram)
        .describe("cpu_time", "cpu.time", "s")
        .of_kind("cpu_time", Kind::Counter)
        .series("cpu_time", &[("host", "a")], &[(950, 0.0), (1000, 50.0)])
        .series(energy, &[("host", "a")], &[(990, 7.0)])
        .of_kind(energy, Kind::Counter)
        .series("uptime_total", &[("host", "a")], &[(990, 8.0)])
        .of_kind("uptime_total", Kind::Counter);
    for (from, value) in [
        ("http_server_duration_seconds", "2.0"),
        ("\"http.server.duration_seconds\"", "2.0"),
        ("latest(http_server_duration_seconds)", "2.0"),
        ("latest('http.server.duration')", "2.0"),
        ("latest('http_server_duration_seconds', INTERVAL '1 minute')", "2.0"),
        ("increase(cpu_time_seconds_total, INTERVAL '50 seconds')", ""),
        ("rate('cpu_time_seconds_total', INTERVAL '51 seconds')", "1.0"),
        ("scaph_host_energy_microjoules_total", "7.0"),
        ("uptime", "8.0"),
    ] {
        let rows: &[&str] = if value.is_empty() { &[] } else { &[value] };
        fixture.check(&format!("SELECT round(value, 1) FROM {from}"), rows).await;
    }
    fixture
        .check_error(
            "SELECT value FROM cpu_time_milliseconds",
            "1:19: unknown table 'cpu_time_milliseconds': SHOW TABLES lists what there is; a metric's table exists from its first point on",
        )
        .await;
}

#[tokio::test]
async fn a_name_that_translations_of_two_metrics_share_is_refused_with_both() {
    let point = [(990, 1.0)];
    let fixture = Fixture::new()
        .describe("load", "load", "s")
        .series("load", &[], &point)
        .describe("load__", "load..", "s")
        .series("load__", &[], &point);
    let sql = "SELECT value FROM load_seconds";
    fixture.check_error(sql, "1:19: 'load_seconds' is ambiguous: write one of load, load__ exactly").await;
    let ranged = "SELECT value FROM latest(load_seconds)";
    fixture.check_error(ranged, "1:26: 'load_seconds' is ambiguous: write one of load, load__ exactly").await;
    // A metric of that very name is meant from its first point on.
    let fixture = fixture.series("load_seconds", &[], &[(990, 3.0)]);
    fixture.check(sql, &["3.0"]).await;
}

#[tokio::test]
async fn a_translated_name_is_looked_up_anew_when_a_metric_is_described() {
    let fixture = Fixture::new().describe("a", "a", "s").series("a", &[], &[(990, 1.0)]);
    let sql = "SELECT value FROM a_seconds";
    let prepared = fixture.database.prepare(sql).await.expect("a metric in seconds");
    assert!(prepared.is_current(&fixture.database));
    let fixture = fixture.series("a_", &[], &[(990, 2.0)]).describe("a_", "a.", "s");
    assert!(!prepared.is_current(&fixture.database));
    fixture.check_error(sql, "1:19: 'a_seconds' is ambiguous: write one of a, a_ exactly").await;
}

#[tokio::test]
async fn tables_of_a_schema_are_found_and_joined() {
    let fixture = fixture();
    fixture.check("SELECT site, at FROM twin.node WHERE id = 'a'", &["lab,1970-01-01T00:16:40Z"]).await;
    fixture.check("SELECT site FROM Twin.Node WHERE ID = 'b'", &["roof"]).await;
    fixture.check("SELECT site, value FROM other JOIN twin.node AS n ON n.id = other.host", &["lab,5.0"]).await;
    fixture.check("SELECT count(*) FROM flyball.public.other", &["1"]).await;
}

#[tokio::test]
async fn fixed_tables_exist_before_any_data() {
    let fixture = Fixture::new();
    for table in ["metrics", "logs", "spans", "exemplars", "texts", "power", "Metrics"] {
        fixture.check(&format!("SELECT count(*) FROM {table}"), &["0"]).await;
    }
}

#[tokio::test]
async fn tables_and_columns_are_listed() {
    let fixture = fixture();
    let tables = fixture.csv("SHOW TABLES").await;
    let fixed = ["metrics", "logs", "spans", "exemplars", "texts", "power"];
    assert_eq!(tables[1..7], fixed.map(|table| format!("flyball,public,{table},BASE TABLE")));
    assert!(tables.contains(&"flyball,twin,node,BASE TABLE".to_string()), "{tables:?}");
    fixture
        .check(
            "SELECT column_name, data_type, unit FROM information_schema.columns WHERE table_name = 'http_server_duration'",
            &["time,timestamp,", "value,double,s", "host,text,"],
        )
        .await;
    assert_eq!(fixture.csv("DESCRIBE other").await.len(), 4);
}
