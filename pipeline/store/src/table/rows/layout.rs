//! The columns of each table of records.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use flyball_model::rows::string_map_type;
use flyball_model::series::{LOGS, RegistryView, SPANS, TEXTS};
use flyball_model::{MetricRef, RowKind};

use crate::hot::rows::TIME;
use crate::labels::{fields_beside, label_names, label_type};

/// Where a column of a table comes from.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// A stored column, by its position in the kind's schema.
    Stored(usize),
    /// A label of the series.
    Label(Arc<str>),
    /// The name of the series' metric.
    Metric,
    /// All labels of the series, as a map.
    Labels,
}

impl Column {
    /// Whether a predicate on it is decided once a series (or a metric), before anything is read.
    pub(super) fn is_pushed_down(&self) -> bool {
        matches!(self, Column::Label(_) | Column::Metric)
    }
}

/// Whose records a table has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    /// Those of a pseudo-metric's series.
    Streams(&'static str),
    /// Those of a metric's series.
    Metric(MetricRef),
    /// Those of any series.
    All,
}

impl Scope {
    /// The metric whose series they are, if it is one and known already.
    pub(super) fn metric(self, view: &RegistryView<'_>) -> Option<MetricRef> {
        match self {
            Scope::Streams(name) => view.metric(name),
            Scope::Metric(metric) => Some(metric),
            Scope::All => None,
        }
    }
}

/// The columns of a table, and where each comes from.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<Column>,
    pub(super) scope: Scope,
}

impl Layout {
    pub(super) fn logs(view: &RegistryView<'_>) -> Self {
        let mut build = Build::new(RowKind::Logs);
        build.stored_before("attributes");
        build.labels(&known_labels(view, LOGS), "resource_");
        build.stored_rest();
        build.finish(Scope::Streams(LOGS))
    }

    /// `service_name` is there before any span was: rules group by it.
    pub(super) fn spans(view: &RegistryView<'_>) -> Self {
        let mut labels = known_labels(view, SPANS);
        labels.retain(|label| label.as_ref() != SERVICE_NAME);
        labels.insert(0, SERVICE_NAME.into());
        let mut build = Build::new(RowKind::Spans);
        build.stored(&["time", "duration"]);
        build.set_unit(&["duration"], "s");
        build.labels(&labels, "resource_");
        build.stored_rest();
        build.finish(Scope::Streams(SPANS))
    }

    pub(super) fn histograms(view: &RegistryView<'_>, metric: MetricRef) -> Self {
        let info = view.info(metric);
        let mut build = Build::new(RowKind::Histograms);
        build.stored_rest();
        build.set_unit(&["sum", "min", "max", "histogram"], &info.unit);
        build.metadata =
            HashMap::from([("unit".to_owned(), info.unit.clone()), ("kind".to_owned(), info.kind.as_str().to_owned())]);
        build.labels(&label_names(view, metric), "exported_");
        build.finish(Scope::Metric(metric))
    }

    /// The columns that are labels, and the labels' own names.
    pub(super) fn labels(&self) -> Vec<(String, Arc<str>)> {
        let columns = self.schema.fields().iter().zip(&self.columns);
        let label = |(field, column): (&FieldRef, &Column)| match column {
            Column::Label(label) => Some((field.name().clone(), Arc::clone(label))),
            Column::Stored(_) | Column::Metric | Column::Labels => None,
        };
        columns.filter_map(label).collect()
    }

    pub(super) fn exemplars() -> Self {
        let mut build = Build::new(RowKind::Exemplars);
        build.stored(&["time"]);
        build.add(Field::new(NAME, label_type(), false), Column::Metric);
        build.stored_rest();
        build.add(Field::new("labels", string_map_type(), false), Column::Labels);
        build.finish(Scope::All)
    }

    /// The label `name` is what a text is called, `measurement_field`; the others follow the value.
    pub(super) fn texts(view: &RegistryView<'_>) -> Self {
        let mut labels = known_labels(view, TEXTS);
        labels.retain(|label| label.as_ref() != NAME);
        let mut build = Build::new(RowKind::Texts);
        build.stored(&["time"]);
        build.add(Field::new(NAME, label_type(), true), Column::Label(NAME.into()));
        build.stored_rest();
        build.labels(&labels, "exported_");
        build.finish(Scope::Streams(TEXTS))
    }
}

const NAME: &str = "name";
const SERVICE_NAME: &str = "service_name";

fn known_labels(view: &RegistryView<'_>, metric: &str) -> Vec<Arc<str>> {
    view.metric(metric).map(|metric| label_names(view, metric)).unwrap_or_default()
}

/// A layout under construction.
struct Build {
    stored: SchemaRef,
    fields: Vec<FieldRef>,
    columns: Vec<Column>,
    metadata: HashMap<String, String>,
}

impl Build {
    fn new(kind: RowKind) -> Self {
        Self { stored: kind.schema(), fields: Vec::new(), columns: Vec::new(), metadata: HashMap::new() }
    }

    fn add(&mut self, field: Field, column: Column) {
        self.fields.push(Arc::new(field));
        self.columns.push(column);
    }

    /// Those stored columns, in this order.
    fn stored(&mut self, names: &[&str]) {
        for name in names {
            if let Ok(at) = self.stored.index_of(name) {
                self.fields.push(Arc::clone(&self.stored.fields()[at]));
                self.columns.push(Column::Stored(at));
            }
        }
    }

    /// The stored columns up to one. The series is no column: its labels are.
    fn stored_before(&mut self, end: &str) {
        let stored = Arc::clone(&self.stored);
        let names = stored.fields()[TIME..].iter().map(|field| field.name().as_str());
        self.stored(&names.take_while(|&name| name != end).collect::<Vec<_>>());
    }

    /// The stored columns that are not there yet.
    fn stored_rest(&mut self) {
        let stored = Arc::clone(&self.stored);
        let names = stored.fields()[TIME..].iter().map(|field| field.name().as_str());
        let new = |name: &&str| self.fields.iter().all(|field| field.name() != name);
        let names: Vec<_> = names.filter(new).collect();
        self.stored(&names);
    }

    /// Labels; one that is called like a column of another kind gets the prefix.
    fn labels(&mut self, labels: &[Arc<str>], prefix: &str) {
        let stored = self.stored.fields()[TIME..].iter().chain(&self.fields).map(|field| field.name().clone());
        let taken: Vec<String> = stored.collect();
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        for (field, label) in fields_beside(labels, &taken, prefix).into_iter().zip(labels) {
            self.add(field, Column::Label(Arc::clone(label)));
        }
    }

    fn set_unit(&mut self, columns: &[&str], unit: &str) {
        if unit.is_empty() {
            return;
        }
        for field in self.fields.iter_mut().filter(|field| columns.contains(&field.name().as_str())) {
            let mut metadata = field.metadata().clone();
            metadata.insert("unit".to_owned(), unit.to_owned());
            *field = Arc::new(field.as_ref().clone().with_metadata(metadata));
        }
    }

    fn finish(self, scope: Scope) -> Layout {
        let schema = Arc::new(Schema::new_with_metadata(self.fields, self.metadata));
        Layout { schema, columns: self.columns, scope }
    }
}
