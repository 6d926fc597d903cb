//! What an expression gives in Prometheus, its translation gives in flyball.
//!
//! `data/expressions.txt` has the expressions, `data/expressions.json` what Prometheus 3 answered. Where `prometheus3` and `promtool` are on the
//! PATH it is asked anew, with the same samples, and must answer what is written; `RECORD=1` writes it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use flyball_model::{PointBatch, Shape, UnixNanos};
use flyball_rules::evaluate::rows;
use flyball_rules::{Database, QueryLimits};
use flyball_rules_import::{System, import};
use flyball_store::{Store, StoreOptions};
use serde_json::{Value, json};

/// When everything is asked: 2026-01-01T01:00:00Z.
const NOW: i64 = 1_767_229_200;
/// The samples begin an hour before, one each 15 s, 3 s off the minute.
const SAMPLES: i64 = 240;
const EVERY: i64 = 15;

const EXPRESSIONS: &str = include_str!("data/expressions.txt");
const EXPECTED: &str = include_str!("data/expressions.json");

/// A series and its value at the n-th sample; NaN samples are told as such, `None` is no sample.
type Series = (&'static str, &'static [(&'static str, &'static str)], fn(i64) -> Option<f64>);

fn wave(n: i64, height: f64) -> f64 {
    // A triangle of 37 samples: no two functions of it agree by chance.
    let at = (n % 37) as f64;
    height * if at < 18.0 { at } else { 36.0 - at } / 18.0
}

const SERIES: &[Series] = &[
    ("up", &[("instance", "alpha-1"), ("job", "node"), ("zone", "eu")], |_| Some(1.0)),
    ("up", &[("instance", "beta-1"), ("job", "node"), ("zone", "us")], |n| Some(if n > 230 { 0.0 } else { 1.0 })),
    ("up", &[("instance", "gamma"), ("job", "kube")], |_| Some(0.0)),
    ("up", &[("instance", "ended"), ("job", "old")], |n| (n < 200).then_some(1.0)),
    ("http_requests_total", &[("code", "200"), ("instance", "alpha-1"), ("job", "node")], |n| Some(n as f64 * 31.0)),
    ("http_requests_total", &[("code", "500"), ("instance", "alpha-1"), ("job", "node")], |n| {
        Some((n % 100) as f64 * 3.0)
    }),
    ("http_requests_total", &[("code", "200"), ("instance", "beta-1"), ("job", "node")], |n| {
        Some((n * n % 9973) as f64)
    }),
    ("http_requests_total", &[("code", "503"), ("instance", "gamma"), ("job", "kube")], |_| Some(0.0)),
    ("temperature", &[("instance", "alpha-1"), ("job", "node"), ("zone", "eu")], |n| Some(20.0 + wave(n, 7.5))),
    ("temperature", &[("instance", "beta-1"), ("job", "node"), ("zone", "us")], |n| Some(-3.25 - wave(n + 5, 11.0))),
    ("temperature", &[("instance", "gamma"), ("job", "kube")], |n| (n % 7 != 0).then(|| wave(n / 3, 40.0))),
    ("memory_available", &[("instance", "alpha-1"), ("job", "node")], |n| Some(4e9 - n as f64 * 1e6)),
    ("memory_available", &[("instance", "beta-1"), ("job", "node")], |_| Some(6e9)),
    ("memory_total", &[("instance", "alpha-1"), ("job", "node")], |_| Some(8e9)),
    ("memory_total", &[("instance", "beta-1"), ("job", "node")], |_| Some(16e9)),
    ("memory_total", &[("instance", "delta"), ("job", "node")], |_| Some(0.0)),
    ("machine", &[("instance", "alpha-1"), ("os", "linux")], |_| Some(1.0)),
    ("machine", &[("instance", "beta-1"), ("os", "bsd")], |_| Some(1.0)),
    ("disks", &[("instance", "alpha-1"), ("job", "node"), ("state", "active")], |_| Some(4.0)),
    ("disks", &[("instance", "alpha-1"), ("job", "node"), ("state", "failed")], |_| Some(1.0)),
    ("disks", &[("instance", "beta-1"), ("job", "node"), ("state", "active")], |_| Some(2.0)),
    ("odd", &[("is", "nan")], |_| Some(f64::NAN)),
    ("odd", &[("is", "infinite")], |_| Some(f64::INFINITY)),
    ("odd", &[("is", "minus")], |_| Some(f64::NEG_INFINITY)),
    ("odd", &[("is", "zero")], |_| Some(0.0)),
    ("odd", &[("is", "minus_zero")], |_| Some(-0.0)),
    ("odd", &[("is", "one")], |_| Some(1.0)),
    ("odd", &[("is", "half")], |_| Some(-1.5)),
    ("latency_seconds_bucket", &[("instance", "a"), ("job", "shop"), ("le", "0.1")], |n| Some(n as f64 * 2.0)),
    ("latency_seconds_bucket", &[("instance", "a"), ("job", "shop"), ("le", "0.5")], |n| Some(n as f64 * 5.0)),
    ("latency_seconds_bucket", &[("instance", "a"), ("job", "shop"), ("le", "+Inf")], |n| Some(n as f64 * 6.0)),
    ("latency_seconds_bucket", &[("instance", "b"), ("job", "shop"), ("le", "0.1")], |n| Some(n as f64)),
    ("latency_seconds_bucket", &[("instance", "b"), ("job", "shop"), ("le", "0.5")], |n| Some(n as f64 * 3.0)),
    ("latency_seconds_bucket", &[("instance", "b"), ("job", "shop"), ("le", "+Inf")], |n| Some(n as f64 * 3.0)),
    ("latency_seconds_bucket", &[("instance", "c"), ("job", "idle"), ("le", "0.1")], |_| Some(0.0)),
    ("latency_seconds_bucket", &[("instance", "c"), ("job", "idle"), ("le", "+Inf")], |_| Some(0.0)),
    ("latency_seconds_bucket", &[("instance", "d"), ("job", "torn"), ("le", "0.1")], |n| Some(n as f64)),
];

fn time_of(n: i64) -> i64 {
    NOW - 3600 + 3 + n * EVERY
}

/// Labels, and the value; `None` where it is no finite number, which a rule shows as no value.
type Rows = BTreeMap<BTreeMap<String, String>, Option<f64>>;

struct Flyball {
    database: Database,
    _folder: tempfile::TempDir,
}

impl Flyball {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
        for (metric, labels, value) in SERIES {
            let first = UnixNanos::from_secs(time_of(0));
            let series = store.registry().resolve(metric, Shape::Numbers, labels, first).expect("room");
            let mut points = PointBatch::default();
            for n in 0..SAMPLES {
                if let Some(value) = value(n) {
                    points.push(series, UnixNanos::from_secs(time_of(n)), value);
                }
            }
            store.append_unlogged(points);
        }
        Self { database: Database::new(Arc::clone(&store), QueryLimits::default()), _folder: folder }
    }

    async fn rows(&self, sql: &str) -> Result<Rows, String> {
        let prepared = self.database.prepare(sql).await.map_err(|error| error.to_string())?;
        let now = UnixNanos::from_secs(NOW);
        let result =
            self.database.run(&prepared, now, &QueryLimits::default()).await.map_err(|error| error.to_string())?;
        let rows = rows(&result.schema, &result.batches)?;
        Ok(rows.into_iter().map(|row| (row.identity.into_iter().collect(), row.values.get("value").copied())).collect())
    }
}

/// The translation of each expression, or why there is none.
fn translations(expressions: &[&str]) -> Vec<Result<String, String>> {
    let rules: Vec<_> = expressions.iter().map(|expr| json!({"record": "r", "expr": expr})).collect();
    let file = json!({"groups": [{"name": "g", "rules": rules}]}).to_string();
    let imported = import(System::Prometheus, "expressions", &file).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut refused = imported.refused.iter().map(ToString::to_string);
    if imported.refused.is_empty() {
        let source = flyball_yaml::Source::new("out", imported.yaml.as_str());
        let root = flyball_yaml::parse(&source).unwrap_or_else(|problem| panic!("{problem}\n{}", imported.yaml));
        let rules = root.get("groups").expect("groups").one_or_more()[0].get("rules").expect("rules");
        return rules
            .one_or_more()
            .iter()
            .map(|rule| Ok(rule.get("sql").and_then(|sql| sql.as_str()).expect("sql").to_owned()))
            .collect();
    }
    if expressions.len() == 1 {
        vec![Err(refused.next().unwrap_or_default())]
    } else {
        expressions.iter().flat_map(|expr| translations(&[expr])).collect()
    }
}

fn expressions() -> Vec<&'static str> {
    EXPRESSIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn same(left: &Rows, right: &Rows) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|((a, x), (b, y))| {
            a == b
                && match (x, y) {
                    (Some(x), Some(y)) => (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1e-9),
                    (None, None) => true,
                    _ => false,
                }
        })
}

#[tokio::test]
async fn translations_give_what_prometheus_gives() {
    let expected = match asked_anew() {
        Some(answers) => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/expressions.json");
            if std::env::var_os("RECORD").is_some() {
                let lines: Vec<_> =
                    answers.iter().map(|(expr, rows)| format!("{}: {}", json!(expr), rows_to_json(rows))).collect();
                std::fs::write(path, format!("{{\n{}\n}}\n", lines.join(",\n"))).expect("the file can be written");
            } else {
                let recorded = recorded();
                for (expr, rows) in &answers {
                    assert!(
                        recorded.get(expr).is_some_and(|before| same(before, rows)),
                        "{expr}: Prometheus gave something else before"
                    );
                }
            }
            answers
        }
        None => recorded(),
    };
    let flyball = Flyball::new();
    let expressions = expressions();
    let mut wrong = Vec::new();
    for (expr, sql) in expressions.iter().zip(translations(&expressions)) {
        let found = match &sql {
            Ok(sql) => flyball.rows(sql).await,
            Err(reason) => Err(format!("not translated: {reason}")),
        };
        let expected =
            expected.get(*expr).unwrap_or_else(|| panic!("{expr}: no answer of Prometheus; run with RECORD=1"));
        match found {
            Ok(found) if same(&found, expected) => {}
            found => wrong
                .push(format!("{expr}\n  expected {expected:?}\n  found    {found:?}\n  {}", sql.unwrap_or_default())),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), expressions.len(), wrong.join("\n"));
}

fn recorded() -> BTreeMap<String, Rows> {
    let recorded: Value = serde_json::from_str(EXPECTED).expect("JSON");
    let row = |row: &Value| (serde_json::from_value(row[0].clone()).expect("labels"), row[1].as_f64());
    let entries = recorded.as_object().expect("a map").iter();
    entries.map(|(expr, rows)| (expr.clone(), rows.as_array().expect("rows").iter().map(row).collect())).collect()
}

fn rows_to_json(rows: &Rows) -> Value {
    rows.iter().map(|(labels, value)| json!([labels, value])).collect()
}

/// Kills the server with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What Prometheus says now; `None` where it is not installed.
fn asked_anew() -> Option<BTreeMap<String, Rows>> {
    let runs = |program: &str| {
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if !runs("prometheus3") || !runs("promtool") {
        let missing = "skipped: needs prometheus3 (Prometheus 3) and promtool on the PATH to be asked anew; compared with what was recorded";
        assert!(std::env::var_os("FLYBALL_TEST_REQUIRE_ALL").is_none_or(|all| all != "1"), "{missing}");
        let _ = writeln!(std::io::stderr(), "{missing}");
        return None;
    }
    Some(std::thread::spawn(ask).join().expect("Prometheus answers every expression"))
}

fn ask() -> BTreeMap<String, Rows> {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, data, config) =
        (folder.path().join("samples"), folder.path().join("data"), folder.path().join("prometheus.yml"));
    std::fs::write(&text, open_metrics()).expect("the folder can be written");
    std::fs::write(&config, "global: {}\n").expect("the folder can be written");
    let blocks = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(&text)
        .arg(&data)
        .output()
        .expect("promtool runs");
    assert!(blocks.status.success(), "{}", String::from_utf8_lossy(&blocks.stderr));
    let address =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let server = Command::new("prometheus3")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus3 runs");
    let _server = Server(server);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let ready = format!("http://{address}/-/ready");
        let mut tries = 0;
        while !client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tries += 1;
            assert!(tries < 300, "Prometheus does not become ready");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let mut answers = BTreeMap::new();
        for expr in expressions() {
            let url = reqwest::Url::parse_with_params(
                &format!("http://{address}/api/v1/query"),
                [("query", expr), ("time", &NOW.to_string())],
            )
            .expect("a URL");
            let answer = client.get(url).send().await.expect("an answer").bytes().await.expect("a body");
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            assert_eq!(answer["status"], "success", "{expr}: {answer}");
            answers.insert(expr.to_owned(), rows_of(&answer["data"]));
        }
        answers
    })
}

/// An answer of `/api/v1/query`.
fn rows_of(data: &Value) -> Rows {
    let number = |value: &Value| -> Option<f64> {
        let text = value[1].as_str().expect("a number as text").replace("Inf", "inf");
        text.parse().ok().filter(|value: &f64| value.is_finite())
    };
    if data["resultType"] == "scalar" {
        return Rows::from([(BTreeMap::new(), number(&data["result"]))]);
    }
    let rows = data["result"].as_array().expect("a vector").iter().map(|row| {
        let mut labels: BTreeMap<String, String> = serde_json::from_value(row["metric"].clone()).expect("labels");
        // A rule's alerts and records do not have it either.
        labels.remove("__name__");
        (labels, number(&row["value"]))
    });
    rows.collect()
}

fn open_metrics() -> String {
    let mut text = String::new();
    let mut last = "";
    for (metric, labels, value) in SERIES {
        if *metric != last {
            text.push_str(&format!("# TYPE {metric} unknown\n"));
            last = metric;
        }
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        for n in 0..SAMPLES {
            if let Some(value) = value(n) {
                text.push_str(&format!("{metric}{{{}}} {value:?} {}\n", labels.join(","), time_of(n)));
            }
        }
    }
    text.push_str("# EOF\n");
    text.replace(" inf ", " +Inf ").replace(" -inf ", " -Inf ")
}
