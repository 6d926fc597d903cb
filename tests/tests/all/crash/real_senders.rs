//! A Collector with its retry queue and a Prometheus with its write-ahead log, over kills.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use flyball_tests::counterparts::{Collector, NodeExporter, Prometheus};
use flyball_tests::meter::{Author, Chance, Fleet, Kind, Victim, audit, settings};
use flyball_tests::wait_until;
use serde_json::{Value, json};

use super::moments::Moment;

const KILLS: u32 = 6;

#[test]
fn a_collector_and_a_prometheus_deliver_all_that_they_have_exactly_once() {
    let Some(exporter) = NodeExporter::start() else { return };
    let seed = settings::seed();
    eprintln!("FLYBALL_SEED={seed}");
    let dir = flyball_tests::flyball::temp_dir();
    let mut victim = Victim::new(dir.path(), json!({}));
    victim.start_ready();
    // One consumer, so that deltas keep their order.
    let exporting = format!(
        "{{endpoint: '{}', tls: {{insecure: true}}, sending_queue: {{num_consumers: 1, queue_size: 10000}}, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms, max_elapsed_time: 0s}}}}",
        victim.otlp_grpc
    );
    let Some(collector) = Collector::start("otlp", &exporting) else { return };
    let remote_write = format!("{}/api/v1/write", victim.http.base());
    let Some(prometheus) = Prometheus::start(&[("node", &exporter.address)], &remote_write) else { return };
    let kinds = [Kind::Gauges, Kind::Deltas, Kind::Logs];
    let authors = kinds.into_iter().map(|kind| Author::new(kind, 0, 2, 32)).collect();
    let mut fleet = Fleet::of(&collector.otlp_http, authors);

    wait_until("the first scrapes", Duration::from_secs(30), || match prometheus.query("{job=\"node\"}").len() {
        series @ 200.. => Ok(series),
        series => Err(format!("{series} series")),
    });
    let mut chance = Chance::new(seed);
    for _ in 0..settings::number("FLYBALL_KILLS", KILLS) {
        victim.wait_ready();
        std::thread::sleep(chance.within(Duration::from_millis(500)..Duration::from_secs(2)));
        Moment::Serving.strike(&mut victim, &mut chance);
        victim.start();
    }
    victim.wait_ready();
    fleet.finish(Duration::from_secs(60));

    wait_until("what the Collector has", Duration::from_secs(60), || {
        let problems = audit::complete(&victim.http, &fleet.books());
        if problems.is_empty() { Ok(()) } else { Err(format!("seed {seed}: {}", problems.join("\n"))) }
    });
    let reported = samples(&prometheus.query("{job=\"node\"}[10m]"));
    wait_until("what Prometheus has", Duration::from_secs(60), || {
        let stored = stored(&victim)?;
        let missing = |(series, times): (&String, &HashSet<i64>)| {
            let lost: Vec<_> =
                times.iter().filter(|time| !stored.get(series).is_some_and(|all| all.contains(time))).collect();
            (!lost.is_empty()).then(|| format!("{series} misses {} of {} samples", lost.len(), times.len()))
        };
        let lost: Vec<_> = reported.iter().filter_map(missing).collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("seed {seed}: {} series, such as {}", lost.len(), lost[0])) }
    });
}

/// Milliseconds of each series' samples, as Prometheus has them.
fn samples(matrix: &[Value]) -> HashMap<String, HashSet<i64>> {
    let times = |series: &Value| -> HashSet<i64> {
        let values = series["values"].as_array().expect("samples");
        values.iter().map(|value| (value[0].as_f64().expect("seconds") * 1e3).round() as i64).collect()
    };
    matrix.iter().map(|series| (name(series["metric"].clone(), None), times(series))).collect()
}

/// The same in flyball; an error names a sample that is there twice.
fn stored(victim: &Victim) -> Result<HashMap<String, HashSet<i64>>, String> {
    let rows = victim
        .sql("SELECT name, labels, CAST(time AS BIGINT) / 1000000 AS millis FROM metrics WHERE labels['job'] = 'node'");
    let mut stored: HashMap<String, HashSet<i64>> = HashMap::new();
    for row in 0..rows.len() {
        let series = name(rows.get(row, "labels").clone(), Some(rows.text(row, "name")));
        let millis = rows.get(row, "millis").as_i64().expect("milliseconds");
        if !stored.entry(series.clone()).or_default().insert(millis) {
            return Err(format!("{series} has its sample of {millis} twice"));
        }
    }
    Ok(stored)
}

/// One text for a series, whoever writes it.
fn name(labels: Value, metric: Option<String>) -> String {
    let mut labels: std::collections::BTreeMap<String, String> = serde_json::from_value(labels).expect("labels");
    labels.extend(metric.map(|metric| ("__name__".to_owned(), metric)));
    format!("{labels:?}")
}
