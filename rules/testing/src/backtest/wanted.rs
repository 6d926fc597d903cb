//! What of a history the rules read, and how far back they look.
//!
//! Rules are planned against the names and labels that the history has, without a single point: that gives the tables that they read, and
//! from the plans the time of the oldest point that each looks at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::name::metric_name;
use flyball_model::series::{LOGS, SPANS, TEXTS};
use flyball_model::{MetricInfo, RowKind, Shape, UnixNanos};
use flyball_rules::TableRead;
use flyball_rules::definition::Rule;
use flyball_rules::lifecycle::GROUPS_LOOK_BACK;
use flyball_rules::query::{Database, QueryError};
use flyball_store::{Store, StoreOptions};
use flyball_twin::{Mapping, Twin};
use hashbrown::HashSet;

use super::catalog::{self, Known, Series};
use super::source::Source;
use super::{BacktestError, Options, Versions};
use crate::run::Open;

/// How far before its beginning a twin is filled: it only knows what it has heard of.
const TWIN_WARMS_UP: Duration = Duration::from_secs(600);

/// The most series that a replay knows.
pub(super) const SERIES_MAX: usize = 10_000_000;

/// A table that is played back.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// `None` for points that are numbers.
    pub(super) kind: Option<RowKind>,
    pub(super) info: MetricInfo,
    pub(super) series: Vec<Series>,
}

/// What is played back for some rules.
#[derive(Debug, Default)]
pub(super) struct Wants {
    pub(super) tables: Vec<Wanted>,
    /// How far each rule looks back, by its place: new ones first, then old ones; `None` without bound.
    pub(super) look_back: Vec<Option<Duration>>,
    /// From here on points are played back.
    pub(super) start: UnixNanos,
    /// Whether a rule reads the twin.
    pub(super) twin: bool,
    pub(super) notes: Vec<String>,
}

/// What one rule needs.
struct Need {
    reads: Vec<TableRead>,
    look_back: Option<Duration>,
}

impl Wants {
    pub(super) async fn of(
        source: &impl Source,
        versions: Versions<'_>,
        options: &Options,
        open: Open<'_>,
    ) -> Result<Self, BacktestError> {
        let rules: Vec<&Rule> =
            versions.new.iter().chain(versions.old.into_iter().flatten()).map(Arc::as_ref).collect();
        let known = catalog::metrics(source).await?;
        let mut candidates = Vec::new();
        let folder = tempfile::tempdir()?;
        let dir = folder.path().to_owned();
        let store_options = StoreOptions { series_cap: SERIES_MAX, ..StoreOptions::default() };
        let opening = tokio::task::spawn_blocking(move || Store::open(&dir, store_options));
        let store = opening.await.map_err(std::io::Error::other)??;
        for candidate in candidates_of(&rules, &known, &store) {
            candidates.push(fill(source, candidate, &store).await?);
        }
        let twin = Arc::new(Twin::new(Mapping::builtin()));
        Self::plan(&rules, candidates, &open(&store, &twin), options).await
    }

    async fn plan(
        rules: &[&Rule],
        candidates: Vec<Wanted>,
        database: &Database,
        options: &Options,
    ) -> Result<Self, BacktestError> {
        let mut wants = Self { start: options.from, ..Self::default() };
        let (mut names, mut awaited) = (BTreeSet::new(), BTreeSet::new());
        let mut unbounded = false;
        for rule in rules {
            let need = match need(rule, database, options).await {
                Ok(need) => need,
                Err(error) => {
                    if let QueryError::UnknownTable { name, .. } = &error {
                        awaited.insert(name.clone());
                    }
                    wants.note(rule, &format!("it can't be planned on this history, and does nothing: {error}"));
                    Need { reads: Vec::new(), look_back: Some(Duration::ZERO) }
                }
            };
            wants.look_back.push(need.look_back);
            wants.read(rule, &need.reads, &candidates, database.store(), &mut names);
            match need.look_back {
                Some(back) => wants.start = wants.start.min(options.from.minus(back)),
                None => {
                    unbounded = true;
                    wants.note(rule, "it has no bound on time, so the whole history is played back for it; add time > now() - INTERVAL …");
                }
            }
        }
        if wants.twin {
            wants.start = wants.start.min(options.from.minus(TWIN_WARMS_UP));
            wants.notes.push(format!("the twin knows what it was told since {}", wants.start));
        }
        // To a whole second, which is easier to read and takes few points more.
        wants.start = UnixNanos::from_secs(wants.start.0.div_euclid(1_000_000_000));
        wants.tables = candidates.into_iter().filter(|table| names.contains(&table.name)).collect();
        if wants.tables.is_empty() {
            let tables = awaited.into_iter().collect::<Vec<_>>().join(", ");
            return Err(BacktestError::NoTables { tables: if tables.is_empty() { "none".to_owned() } else { tables } });
        }
        if unbounded {
            let first = wants.tables.iter().flat_map(|table| &table.series).map(|series| series.first_at).min();
            wants.start = wants.start.min(UnixNanos(first.unwrap_or(wants.start.0)));
        }
        Ok(wants)
    }

    fn note(&mut self, rule: &Rule, what: &str) {
        self.notes.push(format!("{}: {}: {what}", rule.place, rule.name));
    }

    /// Notes the tables that a rule reads.
    fn read(
        &mut self,
        rule: &Rule,
        reads: &[TableRead],
        candidates: &[Wanted],
        store: &Arc<Store>,
        names: &mut BTreeSet<String>,
    ) {
        for read in reads {
            match read {
                TableRead::Metric(metric) => {
                    names.insert(store.registry().read().metric_name(*metric).to_string());
                }
                TableRead::Logs => drop(names.insert(LOGS.to_owned())),
                TableRead::Spans => drop(names.insert(SPANS.to_owned())),
                TableRead::Texts => drop(names.insert(TEXTS.to_owned())),
                TableRead::Power => {
                    let view = store.registry().read();
                    let metrics = store.power_metrics(&view);
                    names.extend(metrics.into_iter().map(|metric| view.metric_name(metric).to_string()));
                }
                TableRead::Metrics => names.extend(points(candidates)),
                TableRead::System { schema, .. } if schema == "twin" => {
                    self.twin = true;
                    names.extend(points(candidates));
                }
                TableRead::Exemplars => self.note(rule, "exemplars are not played back, so it sees none"),
                TableRead::System { schema, name } => {
                    self.note(
                        rule,
                        &format!("the table {schema}.{name} tells of flyball itself, and is not played back"),
                    );
                }
            }
        }
    }
}

/// The names of tables whose points are numbers.
fn points(candidates: &[Wanted]) -> impl Iterator<Item = String> {
    candidates.iter().filter(|table| table.kind.is_none()).map(|table| table.name.clone())
}

async fn need(rule: &Rule, database: &Database, options: &Options) -> Result<Need, QueryError> {
    let prepared = database.prepare(rule.sql.as_str()).await?;
    let span = options.to.since(options.from);
    // Apart by no round time, so that what depends on the time of day shows.
    let at = [options.from, options.from.plus(Duration::from_secs(45_296)), options.from.plus(span / 7), options.to];
    // Who went silent is found by a look of its own.
    let silence = rule.no_data.map_or(Duration::ZERO, |_| GROUPS_LOOK_BACK);
    let look_back = database.look_back(&prepared, &at).await?.map(|back| back.max(silence));
    Ok(Need { look_back, reads: prepared.tables().to_vec() })
}

/// A table that rules may read, as far as their texts tell.
struct Candidate {
    name: String,
    info: MetricInfo,
    kind: Option<RowKind>,
}

/// The tables whose names stand in the rules' texts somewhere: more than they read, and none less.
fn candidates_of(rules: &[&Rule], known: &[Known], store: &Arc<Store>) -> Vec<Candidate> {
    let words = Words::of(rules);
    let mut found = Vec::new();
    for (name, kind) in [(LOGS, RowKind::Logs), (SPANS, RowKind::Spans), (TEXTS, RowKind::Texts)] {
        if words.has(name) {
            found.push(Candidate { name: name.to_owned(), info: MetricInfo::default(), kind: Some(kind) });
        }
    }
    let all = ["metrics", "twin"].iter().any(|word| words.has(word));
    let power = if words.has("power") { power_metrics(known, store) } else { HashSet::new() };
    let streams = [LOGS, SPANS, TEXTS];
    for Known { name, info } in known.iter().filter(|known| !streams.contains(&known.name.as_str())) {
        if all || power.contains(name) || words.names(name) || words.names(&metric_name(&info.original)) {
            found.push(Candidate { name: name.clone(), info: info.clone(), kind: None });
        }
    }
    found
}

/// The metrics of which the table `power` is made.
fn power_metrics(known: &[Known], store: &Arc<Store>) -> HashSet<String> {
    known.iter().for_each(|known| store.registry().describe(&known.name, &known.info));
    let view = store.registry().read();
    store.power_metrics(&view).into_iter().map(|metric| view.metric_name(metric).to_string()).collect()
}

/// The words of all rules.
struct Words(HashSet<String>);

impl Words {
    fn of(rules: &[&Rule]) -> Self {
        let mut words = HashSet::new();
        for rule in rules {
            let sql = rule.sql.as_str();
            let plain = sql.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '.')));
            // What stands in quotes may have any characters; every second piece does, and the others do no harm.
            for word in plain.chain(sql.split('"')).filter(|word| !word.is_empty() && word.len() < 1024) {
                words.insert(metric_name(word).to_lowercase());
                words.extend(word.split('.').filter(|part| !part.is_empty()).map(str::to_lowercase));
            }
        }
        Self(words)
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// Whether a word may name the metric: also one that exporters would make of it by a unit behind it, or the family of a classic
    /// histogram.
    fn names(&self, metric: &str) -> bool {
        let metric = metric.to_lowercase();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
        !metric.is_empty()
            && (self.has(&metric)
                || family.is_some_and(|family| self.has(family))
                || self
                    .0
                    .iter()
                    .any(|word| word.strip_prefix(metric.as_str()).is_some_and(|rest| rest.starts_with('_'))))
    }
}

/// Asks for the series of a table, and makes them known.
async fn fill(source: &impl Source, candidate: Candidate, store: &Arc<Store>) -> Result<Wanted, BacktestError> {
    let Candidate { name, info, kind } = candidate;
    let series = catalog::series(source, &name).await?;
    let (shape, kind) = match kind {
        Some(kind) => (Shape::Streams, Some(kind)),
        None if catalog::columns(source, &name).await?.index_of("histogram").is_ok() => {
            (Shape::Histograms, Some(RowKind::Histograms))
        }
        None => (Shape::Numbers, None),
    };
    store.registry().describe(&name, &info);
    for Series { labels, first_at } in &series {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let made = store.registry().resolve(&name, shape, &labels, UnixNanos(*first_at));
        made.map_err(|error| catalog::answer(&format!("{name}: {error}")))?;
    }
    Ok(Wanted { name, shape, kind, info, series })
}

#[cfg(test)]
mod tests {
    use flyball_rules::definition::from_str;

    use super::*;

    #[test]
    fn tables_are_found_by_the_words_of_a_rule() {
        let text = "groups:\n- name: g\n  rules:\n  - rule: R\n    sql: SELECT 1 AS one FROM \"http.server.duration\" JOIN Node_Load1 ON true JOIN rate(requests_total, INTERVAL '1 minute') ON true JOIN twin.node ON true\n";
        let file = from_str("rules.yaml", text).expect("a good file");
        let words = Words::of(&[&file.groups[0].rules[0]]);
        for (metric, expected) in [
            ("http_server_duration", true),
            ("node_load1", true),
            ("requests", true),
            ("requests_total_bucket", true),
            ("requests_to", false),
            ("load1", false),
            ("", false),
        ] {
            assert_eq!(words.names(metric), expected, "{metric}");
        }
        assert!(words.has("twin") && !words.has("power"));
    }
}
