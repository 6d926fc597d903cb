//! The struct `histogram`: a column of histograms, each with all that a function needs.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, Float64Array, Float64Builder, Int8Array, Int8Builder, Int32Array,
    Int32Builder, ListArray, ListBuilder, NullBufferBuilder, StructArray,
};
use arrow::datatypes::{DataType, Field, Fields, Float64Type};

use crate::histogram::{BucketRun, Buckets, ExplicitBuckets, ExponentialBuckets, Histogram, HistogramError, Totals};

/// What the places of [`FIELDS`] hold.
const TOTALS: [&str; 4] = ["count", "sum", "min", "max"];

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let number = |name| Field::new(name, DataType::Float64, true);
    let list = |name| Field::new_list(name, item(), true);
    let [count, sum, min, max] = TOTALS;
    vec![
        number(count),
        number(sum),
        number(min),
        number(max),
        Field::new("scale", DataType::Int8, true),
        number("zero_threshold"),
        number("zero_count"),
        Field::new("positive_offset", DataType::Int32, true),
        list("positive"),
        Field::new("negative_offset", DataType::Int32, true),
        list("negative"),
        list("bounds"),
        list("counts"),
    ]
    .into()
});

fn item() -> Field {
    Field::new_list_field(DataType::Float64, true)
}

/// The type of the column `histogram`: a struct. `scale`, the zero bucket and the two runs with their offsets are NULL in
/// explicit histograms, `bounds` and `counts` in exponential ones.
pub fn histogram_type() -> DataType {
    DataType::Struct(FIELDS.clone())
}

/// Why columns can't be read as histograms.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadHistogramArray {
    /// A column is not there or not of its type.
    #[error("the column {name} is missing or of another type")]
    Column {
        /// Its name.
        name: &'static str,
    },
    /// The struct has other fields.
    #[error("the type is {found}, which is not that of the column histogram")]
    Type {
        /// What it is.
        found: Box<DataType>,
    },
    /// A row's parts don't fit each other.
    #[error("row {row} is no histogram: {source}")]
    Row {
        /// Which row.
        row: usize,
        /// What is wrong.
        source: HistogramError,
    },
}

/// A column of histograms, read.
#[derive(Debug, Clone, Copy)]
pub struct HistogramArray<'a> {
    array: &'a StructArray,
    totals: [&'a Float64Array; 4],
    scale: &'a Int8Array,
    zero_threshold: &'a Float64Array,
    zero_count: &'a Float64Array,
    offsets: [&'a Int32Array; 2],
    runs: [&'a ListArray; 2],
    bounds: &'a ListArray,
    counts: &'a ListArray,
}

impl<'a> HistogramArray<'a> {
    /// Takes a column of [`histogram_type`].
    ///
    /// # Errors
    /// When it is of another type.
    pub fn try_new(array: &'a StructArray) -> Result<Self, BadHistogramArray> {
        if array.data_type() != &histogram_type() {
            return Err(BadHistogramArray::Type { found: Box::new(array.data_type().clone()) });
        }
        let float = |place: usize| array.column(place).as_primitive::<Float64Type>();
        let int = |place: usize| array.column(place).as_primitive();
        Ok(Self {
            array,
            totals: [float(0), float(1), float(2), float(3)],
            scale: array.column(4).as_primitive(),
            zero_threshold: float(5),
            zero_count: float(6),
            offsets: [int(7), int(9)],
            runs: [array.column(8).as_list(), array.column(10).as_list()],
            bounds: array.column(11).as_list(),
            counts: array.column(12).as_list(),
        })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.array.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.array.is_empty()
    }

    /// The histogram of a row; `None` where it is NULL. Its start time is not known here.
    ///
    /// # Errors
    /// When the row's parts don't fit each other, which only a struct that was made in SQL can have.
    pub fn get(&self, row: usize) -> Result<Option<Histogram>, BadHistogramArray> {
        if self.array.is_null(row) {
            return Ok(None);
        }
        let value = |column: &Float64Array| column.is_valid(row).then(|| column.value(row));
        let [count, sum, min, max] = self.totals.map(value);
        let totals = Totals { count: count.unwrap_or_default(), sum, min, max, start_time: None };
        let made = if self.scale.is_valid(row) {
            let run = |side: usize| BucketRun {
                offset: if self.offsets[side].is_valid(row) { self.offsets[side].value(row) } else { 0 },
                counts: floats(self.runs[side], row),
            };
            let buckets = ExponentialBuckets {
                scale: self.scale.value(row),
                zero_threshold: value(self.zero_threshold).unwrap_or_default(),
                zero_count: value(self.zero_count).unwrap_or_default(),
                positive: run(0),
                negative: run(1),
            };
            Histogram::exponential(totals, buckets)
        } else {
            Histogram::explicit(totals, floats(self.bounds, row), floats(self.counts, row))
        };
        made.map(Some).map_err(|source| BadHistogramArray::Row { row, source })
    }
}

fn floats(list: &ListArray, row: usize) -> Vec<f64> {
    if list.is_null(row) {
        return Vec::new();
    }
    let offsets = list.value_offsets();
    let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
    list.values().as_primitive::<Float64Type>().values()[start..end].to_vec()
}

/// Collects histograms into a column.
#[derive(Debug)]
pub struct HistogramArrayBuilder {
    totals: [Float64Builder; 4],
    scale: Int8Builder,
    zero_threshold: Float64Builder,
    zero_count: Float64Builder,
    offsets: [Int32Builder; 2],
    /// Positive, negative, bounds, counts.
    lists: [ListBuilder<Float64Builder>; 4],
    nulls: NullBufferBuilder,
}

impl Default for HistogramArrayBuilder {
    fn default() -> Self {
        let list = || ListBuilder::new(Float64Builder::new()).with_field(item());
        Self {
            totals: Default::default(),
            scale: Int8Builder::new(),
            zero_threshold: Float64Builder::new(),
            zero_count: Float64Builder::new(),
            offsets: Default::default(),
            lists: [list(), list(), list(), list()],
            nulls: NullBufferBuilder::new(0),
        }
    }
}

impl HistogramArrayBuilder {
    /// Appends a histogram.
    pub fn append(&mut self, histogram: &Histogram) {
        let Totals { count, sum, min, max, .. } = *histogram.totals();
        self.totals
            .iter_mut()
            .zip([Some(count), sum, min, max])
            .for_each(|(column, total)| column.append_option(total));
        match histogram.buckets() {
            Buckets::Explicit(ExplicitBuckets { bounds, counts }) => {
                self.append_exponential(None);
                self.append_lists([None, None, Some(bounds), Some(counts)]);
            }
            Buckets::Exponential(buckets) => {
                self.append_exponential(Some(buckets));
                self.append_lists([Some(&buckets.positive.counts), Some(&buckets.negative.counts), None, None]);
            }
        }
        self.nulls.append_non_null();
    }

    /// Appends a NULL.
    pub fn append_null(&mut self) {
        self.totals.iter_mut().for_each(Float64Builder::append_null);
        self.append_exponential(None);
        self.append_lists([None; 4]);
        self.nulls.append_null();
    }

    fn append_exponential(&mut self, buckets: Option<&ExponentialBuckets>) {
        self.scale.append_option(buckets.map(|buckets| buckets.scale));
        self.zero_threshold.append_option(buckets.map(|buckets| buckets.zero_threshold));
        self.zero_count.append_option(buckets.map(|buckets| buckets.zero_count));
        self.offsets[0].append_option(buckets.map(|buckets| buckets.positive.offset));
        self.offsets[1].append_option(buckets.map(|buckets| buckets.negative.offset));
    }

    fn append_lists(&mut self, floats: [Option<&Vec<f64>>; 4]) {
        for (list, floats) in self.lists.iter_mut().zip(floats) {
            list.values().append_slice(floats.map_or(&[], Vec::as_slice));
            list.append(floats.is_some());
        }
    }

    /// How many rows so far.
    pub fn len(&self) -> usize {
        ArrayBuilder::len(&self.scale)
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column; the builder is empty again.
    pub fn finish(&mut self) -> StructArray {
        let [count, sum, min, max] = &mut self.totals;
        let [positive_offset, negative_offset] = &mut self.offsets;
        let [positive, negative, bounds, counts] = &mut self.lists;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(count.finish()),
            Arc::new(sum.finish()),
            Arc::new(min.finish()),
            Arc::new(max.finish()),
            Arc::new(self.scale.finish()),
            Arc::new(self.zero_threshold.finish()),
            Arc::new(self.zero_count.finish()),
            Arc::new(positive_offset.finish()),
            Arc::new(positive.finish()),
            Arc::new(negative_offset.finish()),
            Arc::new(negative.finish()),
            Arc::new(bounds.finish()),
            Arc::new(counts.finish()),
        ];
        StructArray::try_new(FIELDS.clone(), columns, self.nulls.finish())
            .expect("the builders are made for these fields, with one length")
    }
}
