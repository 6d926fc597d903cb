//! flyball's own metrics in Prometheus' text format 0.0.4.

mod ledger;
mod log;
mod people;

use std::fmt::Write;
use std::sync::atomic::Ordering;

use flyball_model::RowKind;
use flyball_model::ports::Sink;
use flyball_twin::EntityKind;

use crate::runtime::Runtime;
use crate::stages::QUANTILES;

/// A page of metrics being written.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String can't fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"{}\"", escape(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The page that `GET /metrics` answers.
pub(crate) fn render(runtime: &Runtime) -> String {
    let mut page = Page::default();
    sources(&mut page, runtime);
    log::write(&mut page, &runtime.pipeline);
    store(&mut page, runtime);
    rules(&mut page, runtime);
    recordings(&mut page, runtime);
    queues(&mut page, runtime);
    people::write(&mut page, runtime);
    backends(&mut page, runtime);
    sinks(&mut page, &runtime.sinks);
    twin(&mut page, runtime);
    stages(&mut page, runtime);
    page.text
}

fn sources(page: &mut Page, runtime: &Runtime) {
    let pipeline = &runtime.pipeline;
    let even_down_the_line = runtime.store_accounts().iter().all(|(_, status)| status.is_even())
        && runtime.backend_accounts().iter().all(|account| account.is_even());
    ledger::write(page, pipeline.log.ledger(), even_down_the_line);
    let counts = &pipeline.counts;
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    page.single("flyball_batches_total", "counter", "Bodies that were decoded and stored.", load(&counts.batches));
    page.single(
        "flyball_body_bytes_total",
        "counter",
        "Bytes of bodies before decompression.",
        load(&counts.body_bytes),
    );
    page.single(
        "flyball_decompressed_bytes_total",
        "counter",
        "Bytes of bodies after decompression.",
        load(&counts.decompressed_bytes),
    );
}

fn store(page: &mut Page, runtime: &Runtime) {
    let stats = runtime.pipeline.store.stats();
    let registry = runtime.pipeline.store.registry();
    page.single("flyball_series", "gauge", "Series known, streams of records included.", registry.len() as f64);
    page.single(
        "flyball_series_active",
        "gauge",
        "Series with a point of late, or made of late.",
        registry.active() as f64,
    );
    page.single(
        "flyball_series_in_memory",
        "gauge",
        "Series whose labels are in memory; those of idle ones are read from the disk when a query asks for them.",
        registry.in_memory() as f64,
    );
    page.single("flyball_series_max", "gauge", "The cap on active series.", registry.cap() as f64);
    page.single("flyball_series_bytes", "gauge", "Bytes of what is known of series, about.", registry.bytes() as f64);
    page.single("flyball_hot_points", "gauge", "Points in memory.", stats.hot_points as f64);
    page.single("flyball_hot_bytes", "gauge", "Bytes of points and records in memory.", stats.hot_bytes as f64);
    page.family(
        "flyball_hot_records",
        "gauge",
        "Log records, spans, histograms, exemplars and texts in memory, by kind.",
    );
    for kind in RowKind::ALL {
        page.sample("flyball_hot_records", &[("kind", kind.as_str())], stats.hot_rows.get(kind) as f64);
    }
    page.single("flyball_history_files", "gauge", "Parquet files of the history.", stats.history_files as f64);
    page.single("flyball_history_bytes", "gauge", "Bytes of the history's files.", stats.history_bytes as f64);
    page.single("flyball_history_points", "gauge", "Points in the history.", stats.history_points as f64);
    page.family("flyball_history_records", "gauge", "Records in the history, by kind.");
    for kind in RowKind::ALL {
        page.sample("flyball_history_records", &[("kind", kind.as_str())], stats.history_rows.get(kind) as f64);
    }
}

fn rules(page: &mut Page, runtime: &Runtime) {
    let rows = runtime.tables.board.rows();
    type Column = fn(&flyball_rules::lifecycle::RuleStatus) -> f64;
    let families: [(&str, &str, &str, Column); 5] = [
        ("flyball_rule_evaluations_total", "counter", "Evaluations by rule.", |status| status.evaluations as f64),
        ("flyball_rule_errors_total", "counter", "Evaluations that failed, by rule.", |status| status.errors as f64),
        ("flyball_rule_last_duration_seconds", "gauge", "How long the last evaluation took.", |status| {
            status.last_duration.as_secs_f64()
        }),
        ("flyball_rule_instances", "gauge", "Instances pending or firing, by rule.", |status| status.instances as f64),
        ("flyball_rule_firing", "gauge", "Instances firing, by rule.", |status| status.firing as f64),
    ];
    for (name, kind, help, value) in families {
        page.family(name, kind, help);
        for entry in &rows {
            let status = &entry.status;
            page.sample(name, &[("group", &status.group), ("rule", &status.rule)], value(status));
        }
    }
}

fn recordings(page: &mut Page, runtime: &Runtime) {
    type Column = fn(&crate::recording::Recorded) -> f64;
    let families: [(&str, &str, &str, Column); 2] = [
        (
            "flyball_rule_recorded_points_total",
            "counter",
            "Points stored of a recording rule, markers included.",
            |recorded| recorded.points as f64,
        ),
        ("flyball_rule_recorded_series", "gauge", "Series that a recording rule records now.", |recorded| {
            recorded.series as f64
        }),
    ];
    let rows = runtime.tables.board.rows();
    for (name, kind, help, value) in families {
        page.family(name, kind, help);
        for (entry, recorded) in rows.iter().filter_map(|entry| Some((entry, entry.recorded.as_ref()?))) {
            let status = &entry.status;
            page.sample(name, &[("group", &status.group), ("rule", &status.rule)], value(recorded));
        }
    }
}

fn queues(page: &mut Page, runtime: &Runtime) {
    page.single(
        "flyball_clock_jumps_total",
        "counter",
        "How often the machine's clock was set, or the machine suspended, by more than a second.",
        runtime.steady.jumps() as f64,
    );
    page.family("flyball_queue_depth", "gauge", "What waits, by queue.");
    page.sample("flyball_queue_depth", &[("queue", "wake")], runtime.pipeline.wake.len() as f64);
    for (backend, depth) in runtime.dispatcher.queue_depths() {
        page.sample("flyball_queue_depth", &[("queue", &format!("backend:{backend}"))], depth as f64);
    }
    page.family(
        "flyball_remediations_total",
        "counter",
        "Events and remediations by backend and state; queued counts all that set out.",
    );
    for count in runtime.tables.remediations.counts() {
        let labels = [("backend", count.backend.as_str()), ("state", count.state.as_str())];
        page.sample("flyball_remediations_total", &labels, count.events as f64);
    }
    page.family(
        "flyball_backend_oldest_timestamp_seconds",
        "gauge",
        "When the oldest event that waits for a backend was made, in Unix time; not there while none waits.",
    );
    for account in runtime.backend_accounts() {
        if let Some(at) = account.oldest_at {
            let labels = [("backend", account.backend.as_str())];
            page.sample("flyball_backend_oldest_timestamp_seconds", &labels, at.0 as f64 / 1e9);
        }
    }
}

fn sinks(page: &mut Page, sinks: &[std::sync::Arc<dyn Sink>]) {
    let statuses: Vec<_> = sinks.iter().map(|sink| (sink.name(), sink.status())).collect();
    page.family(
        "flyball_store_received_records_total",
        "counter",
        "Records handed to a store, across restarts: the sum of the outcomes and of what is queued.",
    );
    for (name, status) in &statuses {
        page.sample("flyball_store_received_records_total", &[("store", name)], status.received as f64);
    }
    page.family("flyball_store_records_total", "counter", "Records by store, outcome and reason.");
    for (name, status) in &statuses {
        let outcomes = [("delivered", status.delivered), ("dropped", status.dropped)];
        for (outcome, count) in outcomes {
            page.sample(
                "flyball_store_records_total",
                &[("store", name), ("outcome", outcome), ("reason", "")],
                count as f64,
            );
        }
        for (reason, count) in &status.rejected {
            let labels = [("store", *name), ("outcome", "rejected"), ("reason", reason)];
            page.sample("flyball_store_records_total", &labels, *count as f64);
        }
    }
    page.family("flyball_store_queued_records", "gauge", "Records waiting for a store.");
    for (name, status) in &statuses {
        page.sample("flyball_store_queued_records", &[("store", name)], status.queued as f64);
    }
    page.family(
        "flyball_store_oldest_timestamp_seconds",
        "gauge",
        "When the oldest record that waits for a store was made, in Unix time; not there while none waits.",
    );
    for (name, status) in &statuses {
        if let Some(at) = status.oldest_at {
            page.sample("flyball_store_oldest_timestamp_seconds", &[("store", name)], at.0 as f64 / 1e9);
        }
    }
    page.family("flyball_store_failing", "gauge", "1 while a store does not take what it is sent.");
    for (name, status) in &statuses {
        page.sample("flyball_store_failing", &[("store", name)], f64::from(u8::from(status.last_error.is_some())));
    }
    page.family("flyball_store_spool_bytes", "gauge", "Bytes in a store's spool.");
    for (name, status) in &statuses {
        page.sample("flyball_store_spool_bytes", &[("store", name)], status.spool_bytes as f64);
    }
}

fn twin(page: &mut Page, runtime: &Runtime) {
    let twin = &runtime.tables.twin;
    page.family("flyball_twin_entities", "gauge", "Entities of the twin by kind.");
    for kind in EntityKind::ALL {
        page.sample("flyball_twin_entities", &[("kind", kind.as_str())], twin.len(kind) as f64);
    }
    page.family("flyball_twin_refused_total", "counter", "Entities and attributes beyond the twin's bounds.");
    page.sample("flyball_twin_refused_total", &[("what", "entity")], twin.entities_refused() as f64);
    page.sample("flyball_twin_refused_total", &[("what", "attribute")], twin.attributes_refused() as f64);
}

fn backends(page: &mut Page, runtime: &Runtime) {
    page.family("flyball_backend_requests_total", "counter", "Requests made to backends, by outcome.");
    for backend in &runtime.backends {
        for (outcome, count) in backend.requests() {
            let labels = [("backend", backend.name()), ("outcome", outcome)];
            page.sample("flyball_backend_requests_total", &labels, count as f64);
        }
    }
}

fn stages(page: &mut Page, runtime: &Runtime) {
    page.family("flyball_stage_duration_seconds", "summary", "How long a stretch of a point's way takes.");
    for row in runtime.pipeline.stages.rows() {
        let stage = row.stage.as_str();
        for (quantile, micros) in QUANTILES.iter().zip(row.quantiles_us) {
            let labels = [("stage", stage), ("quantile", &quantile.to_string())];
            let seconds = if row.count > 0 { micros as f64 / 1e6 } else { f64::NAN };
            page.sample("flyball_stage_duration_seconds", &labels, seconds);
        }
        page.sample("flyball_stage_duration_seconds_sum", &[("stage", stage)], row.sum_us as f64 / 1e6);
        page.sample("flyball_stage_duration_seconds_count", &[("stage", stage)], row.count as f64);
    }
}
