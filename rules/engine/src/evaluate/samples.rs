//! The samples that made an instance fire: what a person looks at first.

use std::collections::BTreeMap;

use flyball_model::event::Identity;
use flyball_model::series::is_stream_table;
use flyball_model::{Shape, UnixNanos};
use serde::{Deserialize, Serialize};

use super::rows::{ColumnKind, read};
use super::{EVALUATION_LIMITS, RuleEvaluator};
use crate::catalog::TableRead;
use crate::query::{Database, QueryLimits};

/// Samples kept of a violation.
pub const SAMPLES_MAX: usize = 10;

/// A point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was taken.
    pub time: UnixNanos,
    /// What was measured.
    #[serde(with = "as_text")]
    pub value: f64,
    /// The series' labels.
    pub labels: BTreeMap<String, String>,
}

impl RuleEvaluator {
    /// The metric whose samples made the rows, if it is one of numbers and the only table that the query reads.
    pub fn single_metric(&self, database: &Database) -> Option<String> {
        let [TableRead::Metric(metric)] = self.reads() else { return None };
        let view = database.store().registry().read();
        let name = view.metric_name(*metric).to_string();
        (view.shape(*metric) == Shape::Numbers && !is_stream_table(&name)).then_some(name)
    }
}

/// The latest samples of a metric's series whose labels fit the identity, the newest first, as of `now` and within the hour before. A part of
/// the identity that is no label of the metric is passed over. Nothing, if they can't be read: they are evidence, and nothing waits for them.
///
/// # Cancel safety
/// Dropping the future stops the query.
pub async fn latest_samples(database: &Database, metric: &str, identity: &Identity, now: UnixNanos) -> Vec<Sample> {
    let table = quoted(metric, '"');
    let Ok(all) = database.prepare(&format!("SELECT * FROM {table}")).await else { return Vec::new() };
    let is_label = |name: &str| {
        let fields = all.output_schema().fields();
        let field = fields.iter().find(|field| field.name() == name);
        field.is_some_and(|field| {
            let kind = ColumnKind::of_column(name, field.data_type());
            matches!(kind, ColumnKind::Identity | ColumnKind::Severity)
        })
    };
    let mut sql = format!("SELECT * FROM {table} WHERE time > now() - INTERVAL '1 hour' AND value IS NOT NULL");
    for (name, value) in identity.iter().filter(|(name, _)| is_label(name)) {
        sql.push_str(&format!(" AND {} = {}", quoted(name, '"'), quoted(value, '\'')));
    }
    sql.push_str(&format!(" ORDER BY time DESC LIMIT {SAMPLES_MAX}"));
    let Ok(prepared) = database.prepare(&sql).await else { return Vec::new() };
    let limits = QueryLimits { rows: SAMPLES_MAX, ..EVALUATION_LIMITS };
    let Ok(result) = database.run(&prepared, now, &limits).await else { return Vec::new() };
    let rows = read(&result.batches).unwrap_or_default().into_iter();
    let samples = rows.filter_map(|row| {
        let labels = row.identity.into_iter().chain(row.severity.map(|severity| ("severity".to_owned(), severity)));
        Some(Sample { time: row.time?, value: *row.values.get("value")?, labels: labels.collect() })
    });
    samples.collect()
}

/// A number exact to the last bit, as [`flyball_model::exact`] writes several.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom(format!("'{text}' is no number")))
    }
}

/// A name or a text of SQL.
fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Estate, NOW};
    use super::*;

    #[tokio::test]
    async fn the_ten_latest_samples_of_the_series_that_fit_are_read() {
        let estate = Estate::new();
        let ago = |secs: u64| NOW.minus(Duration::from_secs(secs));
        for secs in 0..20 {
            let core = if secs % 2 == 0 { "0" } else { "1" };
            estate.point("load", &[("core", core), ("host", "it's \"a\"")], ago(secs), secs as f64);
            estate.point("load", &[("core", core), ("host", "b")], ago(secs), -1.0);
        }
        let identity = |parts: &[(&str, &str)]| parts.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let read = |parts: Identity| {
            let database = estate.database.clone();
            async move { latest_samples(&database, "load", &parts, NOW).await }
        };
        let found = read(identity(&[("host", "it's \"a\""), ("team", "no label of the metric")])).await;
        assert_eq!(
            found.iter().map(|sample| sample.value).collect::<Vec<_>>(),
            (0..10).map(f64::from).collect::<Vec<_>>()
        );
        assert_eq!((found[1].time, found[1].labels["core"].as_str()), (ago(1), "1"));
        let found = read(identity(&[("host", "it's \"a\""), ("core", "1")])).await;
        assert_eq!(found.iter().map(|sample| sample.value).take(3).collect::<Vec<_>>(), [1.0, 3.0, 5.0]);
        assert!(read(identity(&[("host", "nobody")])).await.is_empty());
        assert!(latest_samples(&estate.database, "nothing", &Identity::new(), NOW).await.is_empty());
    }
}
