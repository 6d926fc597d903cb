//! flyball's own state as tables: `flyball.*` and `twin.*`. Each is built from what is in memory when a query asks.

mod slos;
mod twin;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Builder, MapBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use flyball_model::UnixNanos;
use flyball_model::batch::time_type;
use flyball_model::event::{State, Transition};
use flyball_model::ledger::Ledger;
use flyball_model::rows::{map_field_names, string_map_type};
use flyball_model::series::is_stream_table;
use flyball_remediation::RemediationLog;
use flyball_remediation::silence::Silences;
use flyball_rules::catalog::SystemTable;
use flyball_rules::incremental::TableSize;
use flyball_rules::query::Database;
use flyball_store::Store;
use flyball_twin::{EntityKind, Mapping, Twin};
use hashbrown::HashMap;

use self::twin::TwinTable;
use crate::accounts::Books;
use crate::board::RuleBoard;
use crate::history::{Violation, ViolationHistory, gist};
use crate::stages::{StageRow, Stages};

/// What the tables are made from.
#[derive(Clone)]
pub struct TableSources {
    /// Series and metrics.
    pub store: Arc<Store>,
    /// Entities.
    pub twin: Arc<Twin>,
    /// Accounts.
    pub ledger: Books,
    /// Rules.
    pub board: Arc<RuleBoard>,
    /// Violations.
    pub history: Arc<ViolationHistory>,
    /// Remediations.
    pub remediations: Arc<RemediationLog>,
    /// Silences.
    pub silences: Arc<Silences>,
    /// Latencies.
    pub stages: Arc<Stages>,
}

/// A table made by a function.
struct Made<F> {
    name: &'static str,
    schema: SchemaRef,
    rows: F,
    /// The accounts that it is made from, if it is.
    books: Option<Books>,
}

impl<F> fmt::Debug for Made<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTable").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<F: Fn(UnixNanos) -> Vec<ArrayRef> + Send + Sync> SystemTable for Made<F> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn ready(&self) {
        if let Some(books) = &self.books {
            books.catch_up().await;
        }
    }

    fn rows(&self, now: UnixNanos) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(self.schema(), (self.rows)(now))
    }
}

impl TableSources {
    /// Tables over a store and nothing else: for checking rules where nothing runs.
    pub fn empty(store: Arc<Store>) -> Self {
        Self {
            store,
            twin: Arc::new(Twin::new(Mapping::builtin())),
            ledger: Books::Blank(Arc::default()),
            board: Arc::default(),
            history: Arc::default(),
            remediations: Arc::default(),
            silences: Arc::default(),
            stages: Arc::default(),
        }
    }

    /// Registers every table.
    pub fn register(&self, database: &Database) {
        register(database, self);
    }
}

fn register(database: &Database, sources: &TableSources) {
    for kind in EntityKind::ALL {
        let table = TwinTable { kind, twin: Arc::clone(&sources.twin) };
        database.register("twin", kind.as_str(), Arc::new(table));
    }
    let flyball = |name, fields: Vec<Field>, rows: Box<dyn Fn() -> Vec<ArrayRef> + Send + Sync>| {
        let books = matches!(name, "ledger" | "sources").then(|| sources.ledger.clone());
        let rows = move |_| rows();
        database.register("flyball", name, Arc::new(Made { name, schema: Arc::new(Schema::new(fields)), rows, books }));
    };
    let s = sources.clone();
    flyball("metric_info", metric_info_fields(), Box::new(move || metric_info(&s.store)));
    database.register_large("flyball", "series", sources.store.series_table());
    let s = sources.clone();
    flyball("ledger", ledger_fields(), Box::new(move || ledger(s.ledger.as_it_stands())));
    let s = sources.clone();
    flyball("sources", source_fields(), Box::new(move || senders(s.ledger.as_it_stands())));
    let s = sources.clone();
    flyball("stages", stage_fields(), Box::new(move || stages(&s.stages)));
    let s = sources.clone();
    flyball("rules", rule_fields(), Box::new(move || rules(&s.board)));
    let s = sources.clone();
    flyball("slos", slos::fields(), Box::new(move || slos::columns(&s.board)));
    let s = sources.clone();
    let (rows, schema) = (move |now| violations(&s, now), Arc::new(Schema::new(violation_fields())));
    database.register("flyball", "violations", Arc::new(Made { name: "violations", schema, rows, books: None }));
    let log = Arc::clone(&sources.remediations);
    let fields = RemediationLog::schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    flyball("remediations", fields, Box::new(move || log.batch().columns().to_vec()));
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn whole(name: &str) -> Field {
    Field::new(name, DataType::UInt64, true)
}

fn time(name: &str) -> Field {
    Field::new(name, time_type(), true)
}

fn map(name: &str) -> Field {
    Field::new(name, string_map_type(), true)
}

fn texts<'a, T: Into<Option<&'a str>>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<StringArray>())
}

fn numbers(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn times(values: impl IntoIterator<Item = Option<UnixNanos>>) -> ArrayRef {
    let values = values.into_iter().map(|time| time.map(|time| time.0));
    Arc::new(values.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
}

fn maps<I: IntoIterator<Item = (String, String)>>(rows: impl IntoIterator<Item = I>) -> ArrayRef {
    let mut builder = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (name, value) in row {
            builder.keys().append_value(name);
            builder.values().append_value(value);
        }
        builder.append(true).expect("a key was appended with each value");
    }
    Arc::new(builder.finish())
}

fn number_map_type() -> DataType {
    let pair = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(pair.into()), false)), false)
}

fn number_maps<'a>(rows: impl IntoIterator<Item = &'a BTreeMap<String, f64>>) -> ArrayRef {
    let mut builder = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), Float64Builder::new());
    for row in rows {
        for (name, &value) in row {
            builder.keys().append_value(name);
            builder.values().append_value(value);
        }
        builder.append(true).expect("a key was appended with each value");
    }
    Arc::new(builder.finish())
}

fn pairs<'a, V: ToString + 'a>(map: impl IntoIterator<Item = (&'a String, &'a V)>) -> Vec<(String, String)> {
    map.into_iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn metric_info_fields() -> Vec<Field> {
    let monotonic = Field::new("monotonic", DataType::Boolean, true);
    vec![text("metric"), text("original"), text("kind"), text("unit"), text("temporality"), monotonic, text("help")]
}

fn metric_info(store: &Store) -> Vec<ArrayRef> {
    let view = store.registry().read();
    let metrics: Vec<_> = view.metrics().filter(|&metric| !is_stream_table(view.metric_name(metric))).collect();
    let info = || metrics.iter().map(|&metric| view.info(metric));
    vec![
        texts(metrics.iter().map(|&metric| view.metric_name(metric).as_ref())),
        texts(info().map(|info| info.original.as_str())),
        texts(info().map(|info| info.kind.as_str())),
        texts(info().map(|info| some(&info.unit))),
        texts(info().map(|info| info.temporality.map(|temporality| temporality.as_str()))),
        Arc::new(info().map(|info| info.monotonic).collect::<BooleanArray>()),
        texts(info().map(|info| some(&info.help))),
    ]
}

fn ledger_fields() -> Vec<Field> {
    vec![text("source"), text("signal"), text("outcome"), text("reason"), whole("points"), time("last_at")]
}

fn ledger(ledger: &Ledger) -> Vec<ArrayRef> {
    let rows = ledger.rows();
    vec![
        texts(rows.iter().map(|row| row.source.as_str())),
        texts(rows.iter().map(|row| row.signal.as_str())),
        texts(rows.iter().map(|row| row.outcome.as_str())),
        texts(rows.iter().map(|row| row.reason.as_str())),
        numbers(rows.iter().map(|row| row.points)),
        times(rows.iter().map(|row| Some(row.last_at))),
    ]
}

fn source_fields() -> Vec<Field> {
    vec![
        text("source"),
        text("protocol"),
        text("peer"),
        whole("requests"),
        whole("points"),
        whole("bytes"),
        time("last_at"),
    ]
}

fn senders(ledger: &Ledger) -> Vec<ArrayRef> {
    let rows = ledger.sources();
    vec![
        texts(rows.iter().map(|row| row.source.as_str())),
        texts(rows.iter().map(|row| row.protocol.as_str())),
        texts(rows.iter().map(|row| row.peer.as_str())),
        numbers(rows.iter().map(|row| row.requests)),
        numbers(rows.iter().map(|row| row.points)),
        numbers(rows.iter().map(|row| row.bytes)),
        times(rows.iter().map(|row| Some(row.last_at))),
    ]
}

fn stage_fields() -> Vec<Field> {
    vec![
        text("stage"),
        whole("count"),
        whole("p50_us"),
        whole("p90_us"),
        whole("p99_us"),
        whole("p999_us"),
        whole("max_us"),
    ]
}

fn stages(stages: &Stages) -> Vec<ArrayRef> {
    let rows = stages.rows();
    // What was never passed has no latency.
    let passed = |row: &StageRow, micros: u64| (row.count > 0).then_some(micros);
    let quantile = |index: usize| -> ArrayRef {
        Arc::new(UInt64Array::from_iter(rows.iter().map(|row| passed(row, row.quantiles_us[index]))))
    };
    vec![
        texts(rows.iter().map(|row| row.stage.as_str())),
        numbers(rows.iter().map(|row| row.count)),
        quantile(0),
        quantile(1),
        quantile(2),
        quantile(3),
        Arc::new(UInt64Array::from_iter(rows.iter().map(|row| passed(row, row.max_us)))),
    ]
}

fn rule_fields() -> Vec<Field> {
    vec![
        text("rule"),
        text("grp"),
        text("version"),
        text("mode"),
        whole("evaluations"),
        whole("errors"),
        text("last_error"),
        whole("last_duration_us"),
        whole("instances"),
        whole("firing"),
        text("state"),
        text("reason"),
        whole("shared_by"),
        whole("series"),
        whole("groups"),
        whole("group_bytes"),
        whole("points"),
        whole("spent_us"),
        whole("no_data"),
        whole("held_back"),
        text("records"),
        whole("recorded"),
    ]
}

fn rules(board: &RuleBoard) -> Vec<ArrayRef> {
    let rows = board.rows();
    let statuses = || rows.iter().map(|entry| &entry.status);
    let reasons: Vec<_> = rows.iter().map(|entry| entry.way.reason()).collect();
    let sizes: Vec<_> = rows.iter().map(|entry| entry.way.size()).collect();
    // Null for a rule that is run as a plan.
    let of_groups = |number: &dyn Fn(&TableSize) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter(sizes.iter().map(|size| size.as_ref().map(number))))
    };
    vec![
        texts(statuses().map(|status| status.rule.as_str())),
        texts(statuses().map(|status| status.group.as_str())),
        texts(statuses().map(|status| status.version.as_str())),
        texts(rows.iter().map(|entry| entry.way.as_str())),
        numbers(statuses().map(|status| status.evaluations)),
        numbers(statuses().map(|status| status.errors)),
        texts(statuses().map(|status| status.last_error.as_deref())),
        numbers(statuses().map(|status| u64::try_from(status.last_duration.as_micros()).unwrap_or(u64::MAX))),
        numbers(statuses().map(|status| status.instances as u64)),
        numbers(statuses().map(|status| status.firing as u64)),
        texts(rows.iter().map(|entry| entry.state())),
        texts(reasons.iter().map(Option::as_deref)),
        of_groups(&|size| size.rules as u64),
        of_groups(&|size| size.series as u64),
        of_groups(&|size| size.groups as u64),
        of_groups(&|size| size.bytes as u64),
        of_groups(&|size| size.points),
        of_groups(&|size| u64::try_from(size.spent.as_micros()).unwrap_or(u64::MAX)),
        numbers(statuses().map(|status| status.silent as u64)),
        numbers(statuses().map(|status| status.held_back as u64)),
        texts(rows.iter().map(|entry| entry.rule.record.as_ref().map(|record| record.metric.as_str()))),
        Arc::new(UInt64Array::from_iter(rows.iter().map(|entry| Some(entry.recorded.as_ref()?.points)))),
    ]
}

fn violation_fields() -> Vec<Field> {
    vec![
        text("id"),
        text("rule"),
        text("version"),
        text("instance"),
        map("labels"),
        text("state"),
        time("active_at"),
        time("fired_at"),
        time("resolved_at"),
        Field::new("values", number_map_type(), true),
        text("summary"),
        text("severity"),
        text("changes"),
        text("samples"),
        time("acknowledged_at"),
        text("acknowledged_by"),
        text("acknowledged_comment"),
        text("silenced_by"),
    ]
}

fn violations(sources: &TableSources, now: UnixNanos) -> Vec<ArrayRef> {
    let mut violations = sources.history.newest_first();
    bring_up_to_date(&mut violations, &sources.board);
    let changes: Vec<_> = violations.iter().map(Violation::changes_json).collect();
    let samples: Vec<_> = violations.iter().map(Violation::samples_json).collect();
    let acknowledged = || violations.iter().map(|violation| violation.acknowledged.as_ref());
    let rows: Vec<_> = violations.iter().map(|violation| &violation.latest).collect();
    let silenced = rows.iter().map(|row| match row.state {
        State::Resolved => String::new(),
        _ => sources.silences.silenced_by(row, now).join(","),
    });
    let silenced: Vec<String> = silenced.collect();
    let instances: Vec<_> = rows.iter().map(|row| flyball_model::event::identity_text(&row.identity)).collect();
    vec![
        texts(rows.iter().map(|row| row.violation.as_str())),
        texts(rows.iter().map(|row| row.rule.as_str())),
        texts(rows.iter().map(|row| row.version.as_str())),
        texts(instances.iter().map(String::as_str)),
        maps(rows.iter().map(|row| pairs(&row.labels))),
        texts(rows.iter().map(|row| row.state.as_str())),
        times(rows.iter().map(|row| Some(row.active_at))),
        times(rows.iter().map(|row| row.fired_at)),
        times(rows.iter().map(|row| row.resolved_at)),
        number_maps(rows.iter().map(|row| &row.values)),
        texts(rows.iter().map(|row| row.summary.as_str())),
        texts(rows.iter().map(|row| row.severity.as_str())),
        texts(changes.iter().map(String::as_str)),
        texts(samples.iter().map(String::as_str)),
        times(acknowledged().map(|by| by.map(|by| by.at))),
        texts(acknowledged().map(|by| by.map(|by| by.by.as_str()))),
        texts(acknowledged().map(|by| by.map(|by| by.comment.as_str()))),
        texts(silenced.iter().map(|ids| some(ids))),
    ]
}

/// Gives violations the values that their rules found last: the history has those of the last change.
fn bring_up_to_date(violations: &mut [Violation], board: &RuleBoard) {
    let entries = board.rows();
    let active = entries.iter().flat_map(|entry| &entry.active);
    let active: HashMap<&str, &Transition> =
        active.map(|transition| (transition.violation.as_str(), transition)).collect();
    for latest in violations.iter_mut().map(|violation| &mut violation.latest) {
        // The board may be a step before or behind.
        let today = active.get(latest.violation.as_str()).filter(|today| gist(today) == gist(latest));
        if let Some(today) = today {
            latest.values.clone_from(&today.values);
            latest.summary.clone_from(&today.summary);
        }
    }
}
