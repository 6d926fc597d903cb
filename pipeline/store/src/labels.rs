//! Labels as columns, made from the registry when a query asks for them.
//!
//! A point carries its series' number; its labels become dictionary columns only here. The tables of this crate use these
//! functions, and so do the range functions of `rules/engine`, so that a label has one name and one type everywhere.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringBuilder};
use arrow::datatypes::{DataType, Field, Int32Type};
use flyball_model::series::{LabelView, RegistryView, Symbol};
use flyball_model::{MetricRef, SeriesRef, SeriesRegistry};
use hashbrown::HashMap;

use crate::error::StoreError;

/// The type of a label column: `Dictionary(Int32, Utf8)`; null where a series does not have the label.
pub fn label_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The labels of a metric that become columns, in the order of [`label_fields`]: the union over its series, sorted.
pub fn label_names(view: &RegistryView<'_>, metric: MetricRef) -> Vec<Arc<str>> {
    view.label_names(metric)
}

/// The label columns of a metric's table, one a name of [`label_names`]. A label called `time` or `value` is the column
/// `exported_time` or `exported_value`, as Prometheus renames labels that clash with its own.
pub fn label_fields(view: &RegistryView<'_>, metric: MetricRef) -> Vec<Field> {
    fields_beside(&label_names(view, metric), &["time", "value"], LABEL_PREFIX)
}

/// The label columns of a metric's table, each with the label's own name.
pub fn labels_by_column(view: &RegistryView<'_>, metric: MetricRef) -> Vec<(String, Arc<str>)> {
    let columns = label_fields(view, metric).into_iter().map(|field| field.name().clone());
    columns.zip(label_names(view, metric)).collect()
}

/// What a label of a metric is called with when its name is taken.
pub const LABEL_PREFIX: &str = "exported_";

/// A field for each label name; one that is `taken` or given out already gets the prefix, as often as it needs it.
pub fn fields_beside(names: &[Arc<str>], taken: &[&str], prefix: &str) -> Vec<Field> {
    let mut given: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let mut column = name.to_string();
        // A label may itself be called `exported_time`: it came as that and keeps its name, whoever is renamed gives way.
        let clashes = |column: &str, given: &[String]| {
            taken.contains(&column)
                || given.iter().any(|other| other == column)
                || (column != name.as_ref() && names.iter().any(|other| other.as_ref() == column))
        };
        while clashes(&column, &given) {
            column.insert_str(0, prefix);
        }
        given.push(column);
    }
    given.into_iter().map(|column| Field::new(column, label_type(), true)).collect()
}

/// The values of some labels for rows that are given as series numbers: one column a name. Takes a look at the registry, and blocks where
/// labels must be read back.
///
/// # Errors
/// When they can't be.
pub fn label_columns(registry: &SeriesRegistry, names: &[Arc<str>], rows: &[u32]) -> Result<Vec<ArrayRef>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Rows::new(rows);
    let view = registry.labels_of(&rows.distinct)?;
    Ok(names.iter().map(|name| label_column(&view, name, &rows)).collect())
}

/// Which distinct series stands in which row, so that what depends on the series is looked at once a series.
pub(crate) struct Rows {
    pub(crate) distinct: Vec<SeriesRef>,
    /// For each row a position in `distinct`.
    pub(crate) slots: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(rows: &[u32]) -> Self {
        let mut distinct: Vec<SeriesRef> = Vec::new();
        let mut slots = Vec::with_capacity(rows.len());
        // Files are sorted by series: as long as numbers rise, each is a new one, and need not be looked up.
        let mut runs = rows.chunk_by(|a, b| a == b).peekable();
        while let Some(run) = runs.next_if(|run| distinct.last().is_none_or(|last| *last < SeriesRef(run[0]))) {
            slots.resize(slots.len() + run.len(), distinct.len() as u32);
            distinct.push(SeriesRef(run[0]));
        }
        if runs.peek().is_none() {
            return Self { distinct, slots };
        }
        let mut known: HashMap<SeriesRef, u32> = distinct.iter().copied().zip(0..).collect();
        for run in runs {
            let slot = *known.entry(SeriesRef(run[0])).or_insert_with(|| {
                distinct.push(SeriesRef(run[0]));
                distinct.len() as u32 - 1
            });
            slots.resize(slots.len() + run.len(), slot);
        }
        Self { distinct, slots }
    }
}

pub(crate) fn label_column(view: &LabelView<'_>, name: &str, rows: &Rows) -> ArrayRef {
    let name = view.symbol(name);
    let mut dictionary: Dictionary<Symbol> = Dictionary::default();
    let keys: Vec<Option<i32>> = rows
        .distinct
        .iter()
        .map(|&series| {
            let value = view.label_symbols(series).iter().find(|label| Some(label.0) == name)?.1;
            Some(dictionary.key(value, || view.text(value)))
        })
        .collect();
    dictionary.column(&keys, rows.slots.iter().copied())
}

/// A dictionary under construction: distinct values and their keys.
pub(crate) struct Dictionary<K> {
    keys: HashMap<K, i32>,
    values: StringBuilder,
}

impl<K> Default for Dictionary<K> {
    fn default() -> Self {
        Self { keys: HashMap::new(), values: StringBuilder::new() }
    }
}

impl<K: Eq + std::hash::Hash> Dictionary<K> {
    /// The key of a value, which `identity` tells apart from others.
    pub(crate) fn key<T: AsRef<str>>(&mut self, identity: K, text: impl FnOnce() -> T) -> i32 {
        let next = self.keys.len() as i32;
        *self.keys.entry(identity).or_insert_with(|| {
            self.values.append_value(text());
            next
        })
    }

    /// The column whose rows say at which place of `keys` theirs is; values stay, for the next column.
    pub(crate) fn column(&self, keys: &[Option<i32>], rows: impl Iterator<Item = u32> + Clone) -> ArrayRef {
        let of_row = |row: u32| keys[row as usize];
        let valid = keys.contains(&None).then(|| rows.clone().map(|row| of_row(row).is_some()).collect());
        let keys = Int32Array::new(rows.map(|row| of_row(row).unwrap_or_default()).collect(), valid);
        let values = Arc::new(self.values.finish_cloned());
        Arc::new(
            DictionaryArray::<Int32Type>::try_new(keys, values).expect("every key was given out by this dictionary"),
        )
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use flyball_model::{SeriesRegistry, UnixNanos};

    use super::*;

    fn texts(column: &ArrayRef) -> Vec<Option<String>> {
        let strings = arrow::compute::cast(column, &DataType::Utf8).expect("a dictionary of strings");
        strings.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
    }

    #[test]
    fn labels_become_columns_and_a_missing_one_is_null() {
        let registry = SeriesRegistry::new(10);
        let a = registry
            .resolve("m", flyball_model::Shape::Numbers, &[("host", "a"), ("zone", "z")], UnixNanos(0))
            .expect("below the cap");
        let b = registry
            .resolve("m", flyball_model::Shape::Numbers, &[("host", "b")], UnixNanos(0))
            .expect("below the cap");
        let view = registry.read();
        let names = label_names(&view, view.metric("m").expect("made above"));
        drop(view);
        let columns = label_columns(&registry, &names, &[a.0, b.0, a.0]).expect("all are in memory");
        assert_eq!(texts(&columns[0]), [Some("a".into()), Some("b".into()), Some("a".into())]);
        assert_eq!(texts(&columns[1]), [Some("z".into()), None, Some("z".into())]);
        assert_eq!(columns[0].data_type(), &label_type());
    }

    #[test]
    fn labels_that_clash_with_a_column_are_renamed_and_never_onto_another_label() {
        let check = |labels: &[(&str, &str)], expected: &[&str]| {
            let registry = SeriesRegistry::new(10);
            registry.resolve("m", flyball_model::Shape::Numbers, labels, UnixNanos(0)).expect("below the cap");
            let view = registry.read();
            let fields = label_fields(&view, view.metric("m").expect("made above"));
            assert_eq!(fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), expected);
        };
        check(&[("host", "a")], &["host"]);
        check(&[("time", "a"), ("value", "b")], &["exported_time", "exported_value"]);
        check(&[("exported_time", "a"), ("time", "b")], &["exported_time", "exported_exported_time"]);
    }
}
