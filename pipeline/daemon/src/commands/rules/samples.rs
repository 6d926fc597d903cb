//! What the tests beside rules send in, and what the rules record of it, as a database that queries are planned against.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use flyball_model::{Clock, Shape, WallClock, name};
use flyball_rules::definition::{Rule, RuleSet};
use flyball_rules::evaluate::ColumnKind;
use flyball_rules::query::{Database, QueryError};
use flyball_rules::recording::Dependencies;
use flyball_rules_testing::{Test, take_in_samples};
use flyball_store::{Store, StoreOptions};
use flyball_twin::{Mapping, Twin};

use crate::wiring;

/// The database, and the folder that it lives in.
pub(super) struct Samples {
    pub(super) database: Database,
    _folder: tempfile::TempDir,
}

impl Samples {
    pub(super) async fn of(tests: impl Iterator<Item = &Test> + Send) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for an empty store could be made")?;
        let dir = folder.path().to_owned();
        let opening = tokio::task::spawn_blocking(move || Store::open(&dir, StoreOptions::default()));
        let store = opening.await.context("opening the store panicked")??;
        let twin = Arc::new(Twin::new(Mapping::builtin()));
        // A test whose input can't be is told of where it runs; here it knows nothing.
        if let Err(error) = take_in_samples(tests, &store, &twin) {
            tracing::warn!(%error, "not everything that the tests send in could be looked at");
        }
        Ok(Self { database: wiring::testing_database(&store, &twin), _folder: folder })
    }

    /// Adds the metrics that other rules record for one, each with one series, so that it can be planned.
    ///
    /// # Errors
    /// The first of these rules that can't be planned itself, and why.
    pub(super) async fn record_for<'r>(&self, rule: &Rule, rules: &'r RuleSet) -> Result<(), (&'r Rule, QueryError)> {
        let rules: Vec<&Rule> = rules.rules().map(|(_, rule)| rule).collect();
        let dependencies = Dependencies::of(rules.iter().copied());
        let own = rules.iter().position(|known| known.name == rule.name);
        let (mut needed, mut left) = (HashSet::new(), Vec::from_iter(own));
        while let Some(place) = left.pop() {
            left.extend(dependencies.before(place).iter().copied().filter(|&before| needed.insert(before)));
        }
        for place in dependencies.order().into_iter().filter(|place| needed.contains(place)) {
            let rule = rules[place];
            let Some(record) = &rule.record else { continue };
            let prepared = self.database.prepare(rule.sql.as_str()).await.map_err(|error| (rule, error))?;
            let fields = prepared.output_schema().fields().iter();
            let texts = fields
                .filter(|field| ColumnKind::of_column(field.name(), field.data_type()) == ColumnKind::Identity)
                .map(|field| (name::label_name(field.name()).into_owned(), "recorded"));
            let own = rule.labels.iter().map(|(name, text)| (name.clone(), text.as_str()));
            let labels: BTreeMap<String, &str> = texts.chain(own).collect();
            let labels: Vec<_> = labels.iter().map(|(name, text)| (name.as_str(), *text)).collect();
            let registry = self.database.store().registry();
            if let Err(error) = registry.resolve(&record.metric, Shape::Numbers, &labels, WallClock::default().now()) {
                tracing::warn!(rule = rule.name, %error, "what a rule records could not be looked at");
            }
        }
        Ok(())
    }
}
