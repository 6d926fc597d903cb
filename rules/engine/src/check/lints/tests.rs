//! Each finding where it should be, and none where all is well.

use flyball_model::{Kind, MetricInfo};

use super::super::check;
use crate::query::testing::Fixture;

/// Samples 15 s apart up to 1000 s.
fn samples() -> Vec<(i64, f64)> {
    (0..20).map(|step| (715 + step * 15, step as f64)).collect()
}

fn estate() -> Fixture {
    let mut fixture = Fixture::new();
    for (host, mode) in [("a", "idle"), ("a", "user"), ("b", "idle"), ("b", "user")] {
        fixture = fixture.series("cpu", &[("host", host), ("mode", mode)], &samples());
    }
    let fixture = fixture
        .series("requests", &[("code", "200"), ("host", "a")], &samples())
        .series("power_draw", &[("host", "a")], &samples())
        .series("power_limit", &[("host", "a")], &samples())
        .series("latency", &[("host", "a")], &samples())
        .series("faults", &[("host", "a"), ("severity", "error")], &samples())
        .series("faults", &[("host", "a"), ("severity", "fatal")], &samples())
        // Of these nobody said more than the name.
        .series("scaph_host_power_microwatts", &[("host", "a")], &samples())
        .series("kepler_watts", &[("host", "a")], &samples())
        .series("jobs_total", &[("host", "a")], &samples());
    let describe = |metric: &str, unit: &str, kind: Kind| {
        let info = MetricInfo { original: metric.into(), unit: unit.into(), kind, ..MetricInfo::default() };
        fixture.database.store().registry().describe(metric, &info);
    };
    describe("cpu", "s", Kind::Counter);
    describe("requests", "{request}", Kind::Counter);
    describe("power_draw", "uW", Kind::Gauge);
    describe("power_limit", "W", Kind::Gauge);
    describe("latency", "ms", Kind::Gauge);
    fixture
}

/// The problems of one rule with this query, as `line:column: message` of the query's block.
async fn problems(sql: &str, more: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.yaml");
    let block: String = sql.lines().map(|line| format!("      {}\n", line.trim())).collect();
    let text = format!("groups:\n- name: g\n  rules:\n  - rule: R\n    sql: |\n{block}{more}");
    std::fs::write(&path, text).expect("written");
    let estate = estate();
    let found = check(&[path], Some(&estate.database), None).await;
    found
        .iter()
        .map(|problem| {
            let text = problem.to_string();
            text.rsplit_once("r.yaml:").map(|(_, text)| text.to_owned()).unwrap_or(text)
        })
        .collect()
}

async fn check_query(sql: &str, expected: &[&str]) {
    assert_eq!(problems(sql, "").await, *expected, "{sql}");
}

#[tokio::test]
async fn good_queries_have_no_findings() {
    for sql in [
        "SELECT host, avg(value) AS draw FROM power_draw WHERE time > now() - INTERVAL '1 minute' GROUP BY host HAVING avg(value) > 5e6",
        "SELECT host, mode, value FROM rate(cpu, INTERVAL '5 minutes') WHERE value > 0.9",
        "SELECT host, value FROM rate(cpu, INTERVAL '5 minutes') WHERE mode = 'idle' AND value < 0.1",
        "SELECT host, sum(value) AS busy FROM rate(cpu, INTERVAL '5 minutes') WHERE mode <> 'idle' GROUP BY host",
        "SELECT host, value / 1e6 AS watts FROM latest(power_draw) WHERE value > 5e9",
        "SELECT count(*) AS hosts FROM latest(power_draw) HAVING count(*) < 3",
        "SELECT host, max(value) - min(value) AS served FROM requests WHERE time > now() - INTERVAL '5 minutes' GROUP BY host",
        "SELECT d.host, d.value / 1e6 AS watts FROM latest(power_draw) d JOIN latest(power_limit) l ON l.host = d.host WHERE d.value / 1e6 > l.value",
        "SELECT upper(host) AS h, avg(value) AS v FROM latest(latency) GROUP BY upper(host)",
        "SELECT host, max(value) AS v FROM latency WHERE time >= now() - INTERVAL '2 minutes' AND time <= now() GROUP BY host",
        "SELECT upper(host) AS h, avg(value) AS v FROM latest(latency) GROUP BY h",
        "SELECT host, CAST(time AS TEXT) AS time, avg(value) AS v FROM latest(latency) GROUP BY host, time",
        "SELECT host, severity AS level, avg(value) AS v FROM latest(faults) GROUP BY host, severity",
        "SELECT host, severity, avg(value) AS v FROM latest(faults) WHERE severity = 'fatal' GROUP BY host, severity",
        "SELECT host, severity AS level, severity, avg(value) AS v FROM latest(faults) GROUP BY host, severity",
        "SELECT host, 'grave' AS severity, avg(value) AS v FROM latest(latency) GROUP BY host",
        "SELECT host, max(value) AS v FROM latest(cpu) WHERE mode = 'idle' GROUP BY host, mode",
        "SELECT host, max(value) AS most, min(value) AS least, count(value) AS n FROM latest(requests) GROUP BY host",
        "SELECT host, sum(value) AS changes FROM changes(requests, INTERVAL '5 minutes') GROUP BY host",
        "SELECT labels, value FROM latest(latency, INTERVAL '5 minutes', '*')",
        "SELECT n.id AS host, n.site, avg(m.value) AS v FROM latency m JOIN twin.node n ON n.id = m.host WHERE m.time > now() - INTERVAL '5 minutes' GROUP BY n.id, n.site, n.at HAVING avg(m.value) > 3",
        "SELECT m.host, avg(m.value) AS v FROM latency m JOIN (VALUES ('a', 4)) AS w(host, most) ON w.host = m.host WHERE m.time > now() - INTERVAL '5 minutes' GROUP BY m.host, w.most HAVING avg(m.value) > w.most",
        "SELECT 1 AS n FROM absent(latency, INTERVAL '5 minutes')",
        "SELECT value FROM absent(never_came, INTERVAL '5 minutes')",
        "SELECT id, site FROM twin.node",
        "SELECT host, value / 1e6 AS watts FROM latest(scaph_host_power_microwatts) WHERE value > 5e9",
        "SELECT host, value AS microwatts FROM avg_over(scaph_host_power_microwatts, INTERVAL '5 minutes')",
        "SELECT host, value AS watts FROM changes(scaph_host_power_microwatts, INTERVAL '5 minutes')",
        "SELECT host, value AS per_s FROM rate(jobs_total, INTERVAL '5 minutes')",
        "SELECT host, code, value FROM rate(requests, INTERVAL '5 minutes') WHERE code = '500'",
    ] {
        check_query(sql, &[]).await;
    }
}

#[tokio::test]
async fn labels_compared_with_numbers() {
    for (sql, expected) in [
        (
            "SELECT host, code, value FROM rate(requests, INTERVAL '5 minutes') WHERE code = 500",
            "6:80: warning: 'code' is text and is compared with the number 500 (write '500' in quotes) [FB201]",
        ),
        (
            "SELECT host, code, value FROM rate(requests, INTERVAL '5 minutes') WHERE 499 < code",
            "6:86: warning: 'code' is text and is compared with the number 499 (compare it as a number: CAST(code AS DOUBLE)) [FB201]",
        ),
        (
            "SELECT host, code, value FROM rate(requests, INTERVAL '5 minutes') WHERE code IN (500, 503)",
            "6:80: warning: 'code' is text and is compared with the number 500 (write '500' in quotes) [FB201]",
        ),
        (
            "SELECT host, code, value FROM rate(requests, INTERVAL '5 minutes') WHERE code BETWEEN 500 AND 599",
            "6:80: warning: 'code' is text and is compared with the number 500 (compare it as a number: CAST(code AS DOUBLE)) [FB201]",
        ),
    ] {
        check_query(sql, &[expected]).await;
    }
}

#[tokio::test]
async fn units_that_do_not_fit() {
    for (sql, expected) in [
        (
            "SELECT host, avg(value) AS watts FROM power_draw WHERE time > now() - INTERVAL '1 minute' GROUP BY host HAVING avg(value) > 5000",
            "6:34: warning: 'watts' is called watts and is in uW (avg(value) / 1000000 is in watts) [FB202]",
        ),
        (
            "SELECT host, value AS latency_s FROM latest(latency)",
            "6:20: warning: 'latency_s' is called s and is in ms (value / 1000 is in s) [FB202]",
        ),
        (
            "SELECT host, value AS kw FROM latest(power_draw)",
            "6:20: warning: 'kw' is called kw and is in uW (value / 1000000000 is in kw) [FB202]",
        ),
        (
            "SELECT d.host FROM latest(power_draw) d JOIN latest(power_limit) l ON l.host = d.host WHERE d.value > l.value",
            "6:99: warning: 'value' is in uW and 'value' in W, and they are compared (value * 1000000 is in uW) [FB202]",
        ),
        (
            "SELECT d.host, d.value + l.value AS both FROM latest(power_draw) d JOIN latest(latency) l ON l.host = d.host",
            "6:22: warning: 'value' is in uW and 'value' in ms, and they are added (time is no power) [FB202]",
        ),
        (
            "SELECT host, avg(value) AS watts FROM scaph_host_power_microwatts WHERE time > now() - INTERVAL '1 minute' GROUP BY host HAVING avg(value) > 5000",
            "6:34: warning: 'watts' is called watts and is in microwatts (avg(value) / 1000000 is in watts) [FB202]",
        ),
        (
            "SELECT s.host FROM latest(scaph_host_power_microwatts) s JOIN max_over(kepler_watts, INTERVAL '5 minutes') k ON s.host = k.host WHERE s.value > k.value",
            "6:141: warning: 'value' is in microwatts and 'value' in watts, and they are compared (value * 1000000 is in microwatts) [FB202]",
        ),
    ] {
        check_query(sql, &[expected]).await;
    }
}

#[tokio::test]
async fn tables_without_a_bound_and_joins_without_a_condition() {
    for (sql, expected) in [
        (
            "SELECT host, max(value) AS v FROM latency GROUP BY host",
            "6:41: warning: 'latency' is read from its first point on, at each evaluation (add WHERE time > now() - INTERVAL '5 minutes') [FB203]",
        ),
        (
            "SELECT host, max(value) AS v FROM latency WHERE time < now() GROUP BY host",
            "6:41: warning: 'latency' is read from its first point on, at each evaluation (add WHERE time > now() - INTERVAL '5 minutes') [FB203]",
        ),
        (
            "SELECT severity, count(*) AS n FROM logs GROUP BY severity",
            "6:43: warning: 'logs' is read from its first point on, at each evaluation (add WHERE time > now() - INTERVAL '5 minutes') [FB203]",
        ),
        (
            "SELECT a.host, b.host AS other FROM latest(latency) a, latest(power_draw) b",
            "6:7: warning: tables are joined without a condition: every row with every row (write JOIN … ON, with the columns that belong together) [FB210]",
        ),
    ] {
        let found = problems(sql, "").await;
        assert!(found.iter().any(|found| found == expected), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn intervals_that_are_too_short_for_the_samples() {
    let sql = "SELECT host, max(value) AS v FROM latency WHERE time > now() - INTERVAL '1 minute' GROUP BY host";
    assert_eq!(
        problems(sql, "    for: 10s\n").await,
        [
            "4:11: warning: 'for: 10s' is shorter than the distance of samples of 'latency', 15s: one sample decides (make it 30s or more, or leave it out) [FB204]"
        ]
    );
    assert!(problems(sql, "    for: 15s\n").await.is_empty());
    for (sql, expected) in [
        (
            "SELECT host, max(value) AS v FROM latency WHERE time > now() - INTERVAL '5 seconds' GROUP BY host",
            "6:41: warning: the window of 5s over 'latency' is too short for samples 15s apart (take 1m or more) [FB205]",
        ),
        (
            "SELECT host, mode, value FROM rate(cpu, INTERVAL '20 seconds')",
            "6:42: warning: the window of 20s over 'cpu' is too short for samples 15s apart (two samples in it are needed; take 1m or more) [FB205]",
        ),
        (
            "SELECT host, max(value) AS v FROM latency WHERE time > now() - INTERVAL '-5 minutes' GROUP BY host",
            "6:41: warning: 'latency' is read from the time of the evaluation on: no sample is that new (a window of the last minutes is time > now() - INTERVAL '5 minutes') [FB205]",
        ),
        (
            "SELECT host, avg(watts) AS w FROM power WHERE time >= now() GROUP BY host",
            "6:41: warning: 'power' is read from the time of the evaluation on: no sample is that new (a window of the last minutes is time > now() - INTERVAL '5 minutes') [FB205]",
        ),
    ] {
        check_query(sql, &[expected]).await;
    }
}

#[tokio::test]
async fn counters_and_gauges_in_each_others_functions() {
    for (sql, expected) in [
        (
            "SELECT host, sum(value) AS n FROM requests WHERE time > now() - INTERVAL '1 minute' GROUP BY host",
            "6:24: warning: 'requests' is a counter, and sum of its value says how long it has been counting (FROM rate(requests, INTERVAL '5 minutes') has its growth per second) [FB206]",
        ),
        (
            "SELECT host, sum(value) AS n FROM latest(requests) GROUP BY host HAVING sum(value) > 5",
            "6:24: warning: 'requests' is a counter, and sum of its value says how long it has been counting (FROM rate(requests, INTERVAL '5 minutes') has its growth per second) [FB206]",
        ),
        (
            "SELECT host, avg(value) AS v FROM last_over(jobs_total, INTERVAL '5 minutes', 'host') GROUP BY host",
            "6:24: warning: 'jobs_total' is a counter, and avg of its value says how long it has been counting (FROM rate(jobs_total, INTERVAL '5 minutes') has its growth per second) [FB206]",
        ),
        (
            "SELECT host, code, value FROM avg_over(requests, INTERVAL '5 minutes')",
            "6:46: warning: 'requests' is a counter, and avg_over takes its resets for values (take rate or increase; aggregates of rates are avg(value) FROM rate(…)) [FB206]",
        ),
        (
            "SELECT host, sum(value) AS n FROM jobs_total WHERE time > now() - INTERVAL '1 minute' GROUP BY host",
            "6:24: warning: 'jobs_total' is a counter, and sum of its value says how long it has been counting (FROM rate(jobs_total, INTERVAL '5 minutes') has its growth per second) [FB206]",
        ),
        (
            "SELECT host, value FROM rate(latency, INTERVAL '5 minutes')",
            "6:36: warning: 'latency' is a gauge, and rate takes each of its falls for a reset (take deriv(latency, …)) [FB207]",
        ),
    ] {
        check_query(sql, &[expected]).await;
    }
}

#[tokio::test]
async fn rows_of_one_identity() {
    for (sql, expected) in [
        (
            "SELECT host, value FROM latency WHERE time > now() - INTERVAL '1 minute' AND value > 3",
            "6:31: warning: each point of 'latency' is a row, and points of one series have one identity (take FROM latest(latency), or aggregate: GROUP BY the labels that tell things apart) [FB208]",
        ),
        (
            "SELECT host, watts FROM power WHERE time > now() - INTERVAL '1 minute' AND watts > 3",
            "6:31: warning: each point of 'power' is a row, and points of one series have one identity (aggregate: GROUP BY the columns that tell things apart) [FB208]",
        ),
        (
            "SELECT name, labels, value FROM metrics WHERE time > now() - INTERVAL '1 minute' AND value > 5",
            "6:39: warning: each point of 'metrics' is a row, and points of one series have one identity (aggregate: GROUP BY name and the labels that tell things apart, such as labels['host']) [FB208]",
        ),
        (
            "SELECT host, value FROM rate(cpu, INTERVAL '5 minutes')",
            "6:36: warning: series of 'cpu' differ in mode, which is not selected, so several rows have one identity (add mode to SELECT, or aggregate with GROUP BY) [FB208]",
        ),
        (
            "SELECT avg(value) AS v FROM latest(latency) GROUP BY host",
            "6:60: warning: the rows are grouped by 'host', which is not selected (add host to SELECT, or take it out of GROUP BY) [FB208]",
        ),
        (
            "SELECT host, time, avg(value) AS v FROM latest(latency) GROUP BY host, time",
            "6:78: warning: the rows are grouped by 'time', which is no text and so no part of the identity (take it out of GROUP BY, or select it as text: CAST(time AS TEXT) AS time) [FB208]",
        ),
        (
            "SELECT host, date_bin(INTERVAL '5 minutes', time) AS bin, avg(value) AS v FROM latest(latency) GROUP BY host, bin",
            "6:51: warning: the rows are grouped by 'date_bin(INTERVAL '5 MINS', time)', which is no text and so no part of the identity (take it out of GROUP BY, or select it as text: CAST(date_bin(INTERVAL '5 MINS', time) AS TEXT) AS key) [FB208]",
        ),
        (
            "SELECT avg(m.value) AS v FROM latest(latency) m GROUP BY upper(m.host)",
            "6:70: warning: the rows are grouped by 'upper(host)', which is not selected (add upper(host) AS key to SELECT, or take it out of GROUP BY) [FB208]",
        ),
        (
            "SELECT avg(value) AS v FROM latest(latency) GROUP BY length(host)",
            "6:67: warning: the rows are grouped by 'length(host)', which is not selected (add CAST(length(host) AS TEXT) AS key to SELECT, or take it out of GROUP BY) [FB208]",
        ),
        (
            "SELECT avg(value) AS v FROM latest(latency) GROUP BY CASE WHEN host = 'q.r' THEN 'x' ELSE 'y' END",
            "6:70: warning: the rows are grouped by 'CASE WHEN (host = 'q.r') THEN 'x' ELSE 'y' END', which is not selected (add CASE WHEN (host = 'q.r') THEN 'x' ELSE 'y' END AS key to SELECT, or take it out of GROUP BY) [FB208]",
        ),
        (
            "SELECT host, severity, count(*) AS n FROM latest(faults) GROUP BY host, severity",
            "6:79: warning: the rows are grouped by 'severity', which as the column 'severity' says how grave a row is and is no part of the identity (select it under another name: severity AS level) [FB208]",
        ),
        (
            "SELECT host, severity, value FROM latest(faults)",
            "6:48: warning: series of 'faults' differ in severity, which as the column 'severity' says how grave a row is and is no part of the identity, so several rows have one identity (select it under another name: severity AS level) [FB208]",
        ),
        (
            "SELECT a.value FROM latest(latency) a JOIN latest(power_draw) b ON a.host = b.host",
            "6:7: warning: no column of the result is text, so all rows have one identity (select the column that tells them apart, or aggregate to one row) [FB208]",
        ),
    ] {
        check_query(sql, &[expected]).await;
    }
}

#[tokio::test]
async fn one_row_whatever_the_data_say() {
    let always = "6:7: warning: an aggregate over all rows is one row whatever it is of, so this always fires (say what is broken: HAVING and a condition on the aggregate, such as HAVING count(*) > 10) [FB213]";
    for (sql, expected) in [
        ("SELECT count(*) AS n FROM latest(latency) WHERE value > 5", always),
        ("SELECT n / 2.0 AS half FROM (SELECT count(*) AS n FROM latest(latency)) AS l ORDER BY half", always),
    ] {
        check_query(sql, &[expected]).await;
    }
    for sql in [
        "SELECT n FROM (SELECT count(*) AS n FROM latest(latency)) AS l WHERE n > 3",
        "SELECT max(value) AS v FROM latest(latency) HAVING max(value) > 3",
    ] {
        check_query(sql, &[]).await;
    }
}
