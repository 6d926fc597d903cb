//! How many different values there are, exactly: `count(DISTINCT …)`.
//!
//! Of each value of a group the newest pane that has it is known, for a value is there until that pane leaves. So a point costs a look-up, a look at
//! a group costs nothing, and when the window moves on the values of the groups that lost a pane are gone through.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::{DefaultHashBuilder, HashMap};
use twox_hash::XxHash3_128;

use super::by_series::{BySeries, OfSeries};

/// What tells values from others: of one of up to 15 bytes these bytes, of a longer one 120 bits of their hash, so that two of a billion texts are taken for
/// one with a chance of less than 10^-18.
pub(super) type Key = u128;

/// Bytes that fit.
const SHORT_MAX: usize = 15;

/// In the highest byte of a key, where a short value has its length.
const IS_HASH: u128 = 0xfe << 120;

/// Of null, which does not count.
const NULL: Key = Key::MAX;

/// Of a series that was not met.
const UNMET: Key = Key::MAX - 1;

/// A map takes more than so many times the memory of its values only as long as it is small.
const ROOM_MAX: usize = 8;

/// Bytes that a map always may take.
const ROOM_MIN: usize = 1024;

/// What the keys of rows are made from.
#[derive(Debug)]
pub(super) struct Keys {
    expression: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    converter: RowConverter,
}

/// The same of labels, whose keys are made once a series.
#[derive(Debug)]
pub(super) struct SeriesKeys {
    by: BySeries<Key>,
    keys: Keys,
}

/// The different values of one group: the newest pane that each is in.
type Newest = HashMap<Key, i64, DefaultHashBuilder>;

/// The different values of all groups.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    /// Inputs of the layout that are counted so.
    inputs: usize,
    /// Of each group its inputs, one after the other.
    newest: Vec<Newest>,
    hasher: DefaultHashBuilder,
    /// Memory of the maps.
    heap_bytes: usize,
}

impl Keys {
    /// Of an expression over columns of `schema`.
    ///
    /// # Errors
    /// When values of its type can't be told from each other.
    pub(super) fn new(expression: Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Self> {
        let data_type = expression.data_type(schema)?;
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        Ok(Self { expression, data_type, converter })
    }

    /// The key of each row.
    pub(super) fn of(&self, batch: &RecordBatch) -> Result<Vec<Key>> {
        let values = cast(&self.expression.evaluate(batch)?.into_array(batch.num_rows())?, &self.data_type)?;
        let nulls = values.logical_nulls();
        let rows = self.converter.convert_columns(&[values])?;
        let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let key = |(row, bytes): (usize, arrow::row::Row<'_>)| if is_null(row) { NULL } else { key_of(bytes.data()) };
        Ok(rows.iter().enumerate().map(key).collect())
    }
}

impl SeriesKeys {
    /// Of keys that are made from the columns of `schema`, which are these labels.
    pub(super) fn new(names: Vec<Arc<str>>, schema: SchemaRef, keys: Keys) -> Self {
        Self { by: BySeries::new(names, schema, UNMET), keys }
    }

    /// The key of the series of each row.
    pub(super) fn of(&self, rows: OfSeries<'_>) -> Result<Vec<Key>> {
        self.by.of(rows, |labels| self.keys.of(labels))
    }

    /// Memory.
    pub(super) fn bytes(&self) -> usize {
        self.by.bytes()
    }
}

impl Distinct {
    /// No group yet.
    pub(super) fn new(inputs: usize) -> Self {
        Self { inputs, ..Self::default() }
    }

    /// Forgets all groups.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.inputs);
    }

    /// Memory.
    pub(super) fn bytes(&self) -> usize {
        self.newest.capacity() * size_of::<Newest>() + self.heap_bytes
    }

    /// One more group.
    pub(super) fn push(&mut self) {
        let newest = || Newest::with_hasher(self.hasher.clone());
        self.newest.extend(std::iter::repeat_with(newest).take(self.inputs));
    }

    /// Adds a value of a group that is in a pane.
    #[inline]
    pub(super) fn add(&mut self, group: u32, input: usize, pane: i64, key: Key) {
        let newest = &mut self.newest[group as usize * self.inputs + input];
        let before = newest.allocation_size();
        let known = newest.entry(key).or_insert(pane);
        *known = pane.max(*known);
        self.heap_bytes += newest.allocation_size() - before;
    }

    /// How many values of a group there are.
    pub(super) fn count(&self, group: u32, input: usize) -> usize {
        self.newest[group as usize * self.inputs + input].len()
    }

    /// Forgets the values of a group that are in no pane from `first` on.
    pub(super) fn expire(&mut self, group: u32, first: i64) {
        for newest in self.of(group) {
            newest.retain(|_, pane| *pane >= first);
        }
        self.shrink(group);
    }

    /// Forgets all values of a group.
    pub(super) fn clear(&mut self, group: u32) {
        self.of(group).iter_mut().for_each(Newest::clear);
        self.shrink(group);
    }

    fn of(&mut self, group: u32) -> &mut [Newest] {
        let start = group as usize * self.inputs;
        &mut self.newest[start..start + self.inputs]
    }

    fn shrink(&mut self, group: u32) {
        let mut less = 0;
        for newest in self.of(group) {
            let before = newest.allocation_size();
            if before > ROOM_MIN.max(ROOM_MAX * newest.len() * size_of::<(Key, i64)>()) {
                newest.shrink_to(2 * newest.len());
                less += before - newest.allocation_size();
            }
        }
        self.heap_bytes -= less;
    }
}

/// Whether a key is one of a value.
pub(super) fn is_value(key: Key) -> bool {
    key != NULL
}

fn key_of(row: &[u8]) -> Key {
    if row.len() > SHORT_MAX {
        return XxHash3_128::oneshot(row) >> 8 | IS_HASH;
    }
    let mut bytes = [0; size_of::<Key>()];
    bytes[..row.len()].copy_from_slice(row);
    bytes[SHORT_MAX] = row.len() as u8;
    Key::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use datafusion::physical_expr::expressions::col;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_counted_are_the_values_of_the_panes_that_are_left(
            steps in prop::collection::vec((0..2_u32, 0..2_usize, 0..20_i64, 0..200_u128, 0..12_u8), 1..400),
        ) {
            let mut distinct = Distinct::new(2);
            (0..2).for_each(|_| distinct.push());
            let empty = distinct.bytes();
            let mut model: BTreeMap<(u32, usize), Vec<(i64, Key)>> = BTreeMap::new();
            for (group, input, pane, key, what) in steps {
                match what {
                    0 => {
                        distinct.expire(group, pane);
                        (0..2).for_each(|input| model.entry((group, input)).or_default().retain(|held| held.0 >= pane));
                    }
                    1 => {
                        distinct.clear(group);
                        model.retain(|of, _| of.0 != group);
                    }
                    _ => {
                        distinct.add(group, input, pane, key);
                        model.entry((group, input)).or_default().push((pane, key));
                    }
                }
                for group in 0..2 {
                    for input in 0..2 {
                        let mut keys: Vec<_> = model.get(&(group, input)).into_iter().flatten().map(|held| held.1).collect();
                        keys.sort_unstable();
                        keys.dedup();
                        prop_assert_eq!(distinct.count(group, input), keys.len());
                    }
                }
            }
            (0..2).for_each(|group| distinct.clear(group));
            prop_assert!(distinct.bytes() <= empty + 4 * ROOM_MIN);
        }
    }

    #[test]
    fn values_are_told_from_each_other_however_long_they_are() {
        let long = "a".repeat(100);
        let texts =
            [Some(""), Some("a"), Some(long.as_str()), Some(&long[1..]), Some("aaaaaaaaaaaaaaaa"), None, Some("a")];
        let floats = [Some(0.0), Some(-0.0), Some(f64::NAN), Some(1.5), Some(1.5), None];
        let columns: [ArrayRef; 2] =
            [Arc::new(StringArray::from_iter(texts)), Arc::new(Float64Array::from_iter(floats))];
        for (column, expected) in columns.into_iter().zip([5, 4]) {
            let schema = Arc::new(Schema::new(vec![Field::new("v", column.data_type().clone(), true)]));
            let keys = Keys::new(col("v", &schema).expect("a column"), &schema).expect("values");
            let batch = RecordBatch::try_new(schema, vec![column]).expect("a batch");
            let mut keys = keys.of(&batch).expect("keys");
            keys.retain(|&key| is_value(key));
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), expected);
        }
    }
}
