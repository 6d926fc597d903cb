//! All tables, and the rules by which a name finds one.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use flyball_model::series::{LOGS, RegistryView, SPANS, TEXTS, is_stream_table};
use flyball_model::{MetricRef, name};
use flyball_store::Store;
use flyball_yaml::nearest;
use parking_lot::{Mutex, RwLock};

use super::information_schema;
use super::names::{Form, Names};
use super::relation::{Relation, TableRead, TableVersion};
use crate::query::error::QueryError;

/// The catalog's name; it may stand before a schema's.
pub(crate) const CATALOG: &str = "flyball";
/// The schema of the tables of metrics; it need not be written.
pub(crate) const DEFAULT_SCHEMA: &str = "public";
/// The schema of [`information_schema`].
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";
/// The tables that exist before any point came. A metric of such a name is reached through `metrics` only.
const FIXED: [(&str, TableRead); 6] = [
    ("metrics", TableRead::Metrics),
    (LOGS, TableRead::Logs),
    (SPANS, TableRead::Spans),
    ("exemplars", TableRead::Exemplars),
    (TEXTS, TableRead::Texts),
    ("power", TableRead::Power),
];

/// Whether a table of this name exists before any point came: a metric of the same name can't be read as a table.
pub(crate) fn is_fixed(name: &str) -> bool {
    FIXED.iter().any(|fixed| fixed.0 == name)
}

/// Everything that can stand after FROM but range functions.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) store: Arc<Store>,
    system: RwLock<BTreeMap<(String, String), Arc<dyn TableProvider>>>,
    names: Mutex<Names>,
}

impl Tables {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, system: RwLock::default(), names: Mutex::default() }
    }

    /// Adds or replaces a system table.
    pub(crate) fn register(&self, schema: &str, name: &str, table: Arc<dyn TableProvider>) {
        self.system.write().insert((schema.to_string(), name.to_string()), table);
    }

    /// The table that `reference` names.
    pub(crate) fn find(self: &Arc<Self>, reference: &TableReference) -> Result<Relation, QueryError> {
        let (schema, name) = match reference {
            TableReference::Bare { table } => (None, table.as_ref()),
            TableReference::Partial { schema, table } => (Some(schema.as_ref()), table.as_ref()),
            TableReference::Full { catalog, schema, table } if catalog.eq_ignore_ascii_case(CATALOG) => {
                (Some(schema.as_ref()), table.as_ref())
            }
            TableReference::Full { .. } => return Err(self.unknown_dotted(reference)),
        };
        match schema {
            None => self.find_metric_table(name),
            Some(schema) if schema.eq_ignore_ascii_case(DEFAULT_SCHEMA) => self.find_metric_table(name),
            Some(schema) if schema.eq_ignore_ascii_case(INFORMATION_SCHEMA) => self.find_information(name),
            Some(schema) => self.find_system(schema, name, reference),
        }
    }

    /// A table of metrics or records by its name as written in SQL, and whether it matched exactly.
    pub(crate) fn find_read(&self, name: &str) -> Result<(TableRead, bool), QueryError> {
        self.find_public(name)
    }

    /// What a table looks like now.
    pub(crate) fn version(&self, read: &TableRead) -> TableVersion {
        let labels_of = |registry: &RegistryView<'_>, metric: MetricRef| TableVersion::Labels {
            labels: registry.label_count(metric),
            described: registry.info_version(metric),
        };
        let labels_of_streams = |name: &str| {
            let registry = self.store.registry().read();
            let none = TableVersion::Labels { labels: 0, described: 0 };
            registry.metric(name).map_or(none, |streams| labels_of(&registry, streams))
        };
        match read {
            TableRead::Metric(metric) => labels_of(&self.store.registry().read(), *metric),
            TableRead::Logs => labels_of_streams(LOGS),
            TableRead::Spans => labels_of_streams(SPANS),
            TableRead::Texts => labels_of_streams(TEXTS),
            TableRead::Metrics | TableRead::Exemplars | TableRead::Power => TableVersion::Fixed,
            TableRead::System { schema, .. } if schema == INFORMATION_SCHEMA => TableVersion::Fixed,
            TableRead::System { schema, name } => self
                .system
                .read()
                .get(&(schema.clone(), name.clone()))
                .map_or(TableVersion::Gone, |table| TableVersion::Columns(table.schema())),
        }
    }

    /// Grows when a metric comes or is described anew: a name that was guessed may mean another then.
    pub(crate) fn names_version(&self) -> u64 {
        self.store.registry().read().names_version()
    }

    /// A relation that reads `read` as it is.
    pub(crate) fn relation(&self, read: TableRead, exact: bool) -> Relation {
        self.relation_of(read.clone(), exact, || self.provider(&read))
    }

    /// A relation that reads `read` by the provider that `make` gives.
    pub(crate) fn relation_of(
        &self,
        read: TableRead,
        exact: bool,
        make: impl FnOnce() -> Arc<dyn TableProvider>,
    ) -> Relation {
        // The version is taken first: if a label appears in between, the plan is made anew once more than needed, never once less.
        let version = self.version(&read);
        Relation { read, version, guessed_among: (!exact).then(|| self.names_version()), table: make() }
    }

    fn provider(&self, read: &TableRead) -> Arc<dyn TableProvider> {
        match read {
            TableRead::Metric(metric) => self.store.metric_table(*metric),
            TableRead::Metrics => self.store.metrics_table(),
            TableRead::Logs => self.store.logs_table(),
            TableRead::Spans => self.store.spans_table(),
            TableRead::Exemplars => self.store.exemplars_table(),
            TableRead::Texts => self.store.texts_table(),
            TableRead::Power => self.store.power_table(),
            TableRead::System { schema, name } => {
                let table = self.system.read().get(&(schema.clone(), name.clone())).map(Arc::clone);
                table.expect("system tables are never taken away")
            }
        }
    }

    /// Every table with its schema, sorted; the fixed ones first.
    pub(crate) fn all(&self) -> Vec<(String, String, Arc<dyn TableProvider>)> {
        let mut metrics: Vec<_> = {
            let registry = self.store.registry().read();
            registry
                .metrics()
                .map(|metric| (registry.metric_name(metric).to_string(), metric))
                .filter(|(name, _)| FIXED.iter().all(|fixed| fixed.0 != name))
                .collect()
        };
        metrics.sort_unstable();
        let fixed = FIXED.into_iter().map(|(name, read)| (name.to_string(), read));
        let metrics = metrics.into_iter().map(|(name, metric)| (name, TableRead::Metric(metric)));
        let public = fixed.chain(metrics).map(|(name, read)| (DEFAULT_SCHEMA.to_string(), name, read));
        let system: Vec<_> = self.system.read().keys().cloned().collect();
        let system =
            system.into_iter().map(|(schema, name)| (schema.clone(), name.clone(), TableRead::System { schema, name }));
        public.chain(system).map(|(schema, name, read)| (schema, name, self.provider(&read))).collect()
    }

    fn find_metric_table(&self, name: &str) -> Result<Relation, QueryError> {
        self.find_public(name).map(|(read, exact)| self.relation(read, exact))
    }

    /// Exactly, then as an original or dotted name, then as exporters to Prometheus would call it, then without regard to case.
    fn find_public(&self, name: &str) -> Result<(TableRead, bool), QueryError> {
        if let Some((_, read)) = FIXED.iter().find(|fixed| fixed.0 == name) {
            return Ok((read.clone(), true));
        }
        let registry = self.store.registry().read();
        if let Some(metric) = registry.metric(name) {
            return Ok((TableRead::Metric(metric), true));
        }
        let usual = name::metric_name(name);
        let called = |form, name: &str| self.one_of(name, &registry, self.names.lock().find(&registry, form, name));
        if let Some(metric) = called(Form::Original, name)? {
            return Ok((TableRead::Metric(metric), false));
        }
        if let Some(metric) = registry.metric(&usual).filter(|_| !is_stream_table(&usual)) {
            return Ok((TableRead::Metric(metric), false));
        }
        if let Some(metric) = called(Form::Translated, &usual)? {
            return Ok((TableRead::Metric(metric), false));
        }
        let fixed = FIXED.iter().filter(|fixed| fixed.0.eq_ignore_ascii_case(&usual));
        let mut found: Vec<_> = fixed.map(|(name, read)| ((*name).to_string(), read.clone())).collect();
        if found.is_empty() {
            let lower = usual.to_ascii_lowercase();
            let mut metrics = self.names.lock().find(&registry, Form::LowerCase, &lower);
            metrics.extend(registry.metric(&lower).filter(|_| !is_stream_table(&lower)));
            found = metrics
                .into_iter()
                .map(|metric| (registry.metric_name(metric).to_string(), TableRead::Metric(metric)))
                .collect();
        }
        match found.len() {
            1 => Ok((found.swap_remove(0).1, false)),
            0 => {
                // Looking for what is meant takes its time; series that come must not wait for it.
                drop(registry);
                Err(self.unknown_public(name))
            }
            _ => {
                let mut candidates: Vec<_> = found.into_iter().map(|found| found.0).collect();
                candidates.sort_unstable();
                Err(QueryError::AmbiguousName { name: name.to_string(), candidates, position: None })
            }
        }
    }

    /// The only metric, or the only one that has points; none is no error yet, and several are one.
    fn one_of(
        &self,
        name: &str,
        registry: &RegistryView<'_>,
        mut metrics: Vec<MetricRef>,
    ) -> Result<Option<MetricRef>, QueryError> {
        if metrics.iter().any(|&metric| !registry.series_of(metric).is_empty()) {
            metrics.retain(|&metric| !registry.series_of(metric).is_empty());
        }
        if metrics.len() <= 1 {
            return Ok(metrics.first().copied());
        }
        let mut candidates: Vec<_> = metrics.iter().map(|&metric| registry.metric_name(metric).to_string()).collect();
        candidates.sort_unstable();
        Err(QueryError::AmbiguousName { name: name.to_string(), candidates, position: None })
    }

    fn unknown_public(&self, name: &str) -> QueryError {
        let metrics: Vec<Arc<str>> = {
            let registry = self.store.registry().read();
            let names = registry.metrics().map(|metric| Arc::clone(registry.metric_name(metric)));
            names.filter(|name| !is_stream_table(name)).collect()
        };
        let system = self.system.read();
        let like = nearest(name, FIXED.iter().map(|fixed| fixed.0).chain(metrics.iter().map(|name| &**name)))
            .map(str::to_owned)
            // `node` is not like `twin.node`, but it is what is meant.
            .or_else(|| {
                system
                    .keys()
                    .find(|key| key.1.eq_ignore_ascii_case(name))
                    .map(|(schema, name)| format!("{schema}.{name}"))
            });
        QueryError::UnknownTable { name: name.to_string(), nearest: like, position: None }
    }

    fn find_system(&self, schema: &str, name: &str, reference: &TableReference) -> Result<Relation, QueryError> {
        let exact = (schema.to_string(), name.to_string());
        let system = self.system.read();
        let found = system.get_key_value(&exact).map(|entry| entry.0).or_else(|| {
            let mut like =
                system.keys().filter(|key| key.0.eq_ignore_ascii_case(schema) && key.1.eq_ignore_ascii_case(name));
            like.next().filter(|_| like.next().is_none())
        });
        let Some((schema, name)) = found.cloned() else {
            let known = system.keys().any(|key| key.0.eq_ignore_ascii_case(schema));
            let names: Vec<_> = system.keys().map(|(schema, name)| format!("{schema}.{name}")).collect();
            drop(system);
            return Err(if known {
                let like = nearest(&reference.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
                QueryError::UnknownTable { name: reference.to_string(), nearest: like, position: None }
            } else {
                self.unknown_dotted(reference)
            });
        };
        drop(system);
        Ok(self.relation(TableRead::System { schema, name }, true))
    }

    fn find_information(self: &Arc<Self>, name: &str) -> Result<Relation, QueryError> {
        let table = information_schema::table(self, name).ok_or_else(|| QueryError::UnknownTable {
            name: format!("{INFORMATION_SCHEMA}.{name}"),
            nearest: nearest(name, information_schema::NAMES).map(|name| format!("{INFORMATION_SCHEMA}.{name}")),
            position: None,
        })?;
        let read = TableRead::System { schema: INFORMATION_SCHEMA.into(), name: name.to_lowercase() };
        Ok(Relation { version: TableVersion::Fixed, read, guessed_among: None, table })
    }

    /// `http.server.duration` without quotes looks like catalog, schema and table.
    fn unknown_dotted(&self, reference: &TableReference) -> QueryError {
        let dotted = reference.to_string();
        let nearest = match self.find_public(&dotted) {
            Ok(_) => Some(format!("\"{dotted}\" (in double quotes)")),
            Err(QueryError::UnknownTable { nearest, .. }) => nearest,
            Err(_) => None,
        };
        QueryError::UnknownTable { name: dotted, nearest, position: None }
    }
}
