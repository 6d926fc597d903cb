//! From the label columns of rows to the series that they belong to.
//!
//! Rows come with a column a label. Most rows are of the same series as the one before or of few series a batch, so a row costs a comparison
//! of dictionary keys, and a label set is put together once a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use flyball_model::{SeriesRef, SeriesRegistry, UnixNanos};
use flyball_store::labels::label_type;
use hashbrown::HashMap;

use super::BacktestError;
use super::catalog::answer;
use super::wanted::Wanted;

/// Label sets by number. A set gets its series when its first point arrives, not when it is read.
#[derive(Debug, Default)]
pub(super) struct LabelSets {
    numbers: HashMap<(u32, Labels), u32>,
    sets: Vec<Set>,
}

type Labels = Vec<(String, String)>;

#[derive(Debug)]
struct Set {
    table: u32,
    labels: Labels,
    series: Option<SeriesRef>,
}

impl LabelSets {
    /// The number of a table's label set.
    pub(super) fn number(&mut self, table: u32, labels: Labels) -> u32 {
        let Self { numbers, sets } = self;
        *numbers.entry((table, labels)).or_insert_with_key(|(table, labels)| {
            sets.push(Set { table: *table, labels: labels.clone(), series: None });
            sets.len() as u32 - 1
        })
    }

    /// The series of a label set, of which a point arrives now.
    pub(super) fn series(
        &mut self,
        number: u32,
        at: i64,
        tables: &[Wanted],
        registry: &SeriesRegistry,
    ) -> Result<SeriesRef, BacktestError> {
        let set = &mut self.sets[number as usize];
        if let Some(series) = set.series {
            return Ok(series);
        }
        let table = &tables[set.table as usize];
        registry.describe(&table.name, &table.info);
        let labels: Vec<_> = set.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let series = registry.resolve(&table.name, table.shape, &labels, UnixNanos(at));
        let series = series.map_err(|error| answer(&format!("{}: {error}", table.name)))?;
        Ok(*set.series.insert(series))
    }
}

/// Which columns of a table are labels, and what the labels are called.
#[derive(Debug)]
pub(super) struct LabelColumns {
    table: u32,
    known: Vec<String>,
    /// Columns that are no labels.
    taken: Vec<String>,
    prefix: &'static str,
}

impl LabelColumns {
    /// Those of a table whose other columns are `taken`; labels that are called like one of them have the prefix.
    pub(super) fn new(table: u32, wanted: &Wanted, taken: Vec<String>, prefix: &'static str) -> Self {
        let mut known: Vec<_> =
            wanted.series.iter().flat_map(|series| series.labels.iter().map(|label| label.0.clone())).collect();
        known.sort_unstable();
        known.dedup();
        Self { table, known, taken, prefix }
    }

    /// The label that a column shows.
    fn label_of<'c>(&self, column: &'c str) -> &'c str {
        let is_known = |name: &str| self.known.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
        if is_known(column) {
            return column;
        }
        let mut name = column;
        while let Some(rest) = name.strip_prefix(self.prefix) {
            name = rest;
            if self.taken.iter().any(|taken| taken == name) && is_known(name) {
                return name;
            }
        }
        column
    }

    /// The number of the label set of each row.
    pub(super) fn numbers(&self, batch: &RecordBatch, sets: &mut LabelSets) -> Result<Vec<u32>, BacktestError> {
        let schema = batch.schema();
        let labels: Vec<_> =
            schema.fields().iter().enumerate().filter(|(_, field)| !self.taken.contains(field.name())).collect();
        let mut columns: Vec<(&str, DictionaryArray<Int32Type>)> = Vec::with_capacity(labels.len());
        for (at, field) in labels {
            columns.push((self.label_of(field.name()), dictionary(batch.column(at))?));
        }
        columns.sort_by_key(|(name, _)| *name);
        let mut known: HashMap<Vec<i32>, u32> = HashMap::new();
        let (mut key, mut last) = (Vec::with_capacity(columns.len()), None);
        let mut numbers = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let same = |last: &Vec<i32>| columns.iter().zip(last).all(|((_, column), &key)| key_of(column, row) == key);
            if let Some(number) = last.filter(|_| same(&key)) {
                numbers.push(number);
                continue;
            }
            key.clear();
            key.extend(columns.iter().map(|(_, column)| key_of(column, row)));
            let number = match known.get(&key) {
                Some(&number) => number,
                None => {
                    let number = sets.number(self.table, labels_of(&columns, row));
                    known.insert(key.clone(), number);
                    number
                }
            };
            numbers.push(number);
            last = Some(number);
        }
        Ok(numbers)
    }
}

fn dictionary(column: &ArrayRef) -> Result<DictionaryArray<Int32Type>, BacktestError> {
    let cast = cast(column, &label_type()).map_err(|error| answer(&error.to_string()))?;
    let dictionary = cast.as_dictionary::<Int32Type>();
    if dictionary.values().data_type() != &DataType::Utf8 {
        return Err(answer("a label column has values that are no text"));
    }
    Ok(dictionary.clone())
}

/// -1 where the series does not have the label.
fn key_of(column: &DictionaryArray<Int32Type>, row: usize) -> i32 {
    if column.keys().is_null(row) { -1 } else { column.keys().value(row) }
}

fn labels_of(columns: &[(&str, DictionaryArray<Int32Type>)], row: usize) -> Labels {
    let label = |(name, column): &(&str, DictionaryArray<Int32Type>)| {
        let key = usize::try_from(key_of(column, row)).ok()?;
        let value = Arc::clone(column.values());
        let value = value.as_string::<i32>().value(key);
        (!value.is_empty()).then(|| ((*name).to_owned(), value.to_owned()))
    };
    columns.iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float64Array};
    use flyball_model::{MetricInfo, Shape};

    use super::super::catalog::Series;
    use super::*;

    fn label(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<DictionaryArray<Int32Type>>())
    }

    #[test]
    fn rows_of_one_label_set_have_one_number_and_renamed_labels_their_own_name() {
        let series = vec![Series {
            labels: [("exported_time", ""), ("host", ""), ("time", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            first_at: 0,
        }];
        let wanted =
            Wanted { name: "m".to_owned(), shape: Shape::Numbers, kind: None, info: MetricInfo::default(), series };
        let columns = LabelColumns::new(0, &wanted, vec!["time".to_owned(), "value".to_owned()], "exported_");
        let batch = RecordBatch::try_from_iter([
            ("value", Arc::new(Float64Array::from(vec![1.0; 4])) as ArrayRef),
            ("exported_exported_time", label(&[Some("t"), Some("t"), None, Some("t")])),
            ("exported_time", label(&[None, None, Some("e"), None])),
            ("host", label(&[Some("a"), Some("a"), Some("b"), Some("a")])),
        ])
        .expect("columns of one length");
        let mut sets = LabelSets::default();
        assert_eq!(columns.numbers(&batch, &mut sets).expect("labels"), [0, 0, 1, 0]);
        let registry = SeriesRegistry::new(10);
        let found = sets.series(1, 5, std::slice::from_ref(&wanted), &registry).expect("below the cap");
        let again = registry.resolve("m", Shape::Numbers, &[("exported_time", "e"), ("host", "b")], UnixNanos(9));
        assert_eq!(again, Ok(found));
        let first = sets.series(0, 5, &[wanted], &registry).expect("below the cap");
        let again = registry.resolve("m", Shape::Numbers, &[("host", "a"), ("time", "t")], UnixNanos(9));
        assert_eq!(again, Ok(first));
    }
}
