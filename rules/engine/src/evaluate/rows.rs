//! From a query's result to rows: which columns say who, and which say how much.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, TimeUnit, TimestampNanosecondType};
use flyball_model::event::{Identity, identity_text};
use flyball_model::time::UnixNanos;

/// The most instances of one rule: a query that forgot its aggregate ends in an error, not in ten thousand webhooks and more.
pub const INSTANCES_MAX: usize = 10_000;

/// The most text in all rows of a result together: identities are kept as long as an instance lives, and go into events and into the log.
const IDENTITY_BYTES_MAX: usize = 16 << 20;

/// The longest text in a row. Labels are shorter; what a query strings together may not be.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// The column whose timestamp tells when the row's newest sample was taken.
const TIME_COLUMN: &str = "time";

/// The text column that says how grave a row is; it is no part of the identity.
const SEVERITY_COLUMN: &str = "severity";

/// The longest severity: a word.
const SEVERITY_BYTES_MAX: usize = 200;

/// One row of a rule's query: one thing that breaks the promise now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// The string and boolean columns; a NULL is left out.
    pub identity: Identity,
    /// The numeric columns, durations in seconds; a NULL is left out. All are finite.
    pub values: BTreeMap<String, f64>,
    /// The column `time`, if there is one and it is a timestamp.
    pub time: Option<UnixNanos>,
    /// The column `severity`, if there is one and it is a text; `None` where it is NULL or empty.
    pub severity: Option<String>,
}

/// What a column is to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text or truth: part of the identity.
    Identity,
    /// A map of texts, like `labels`: each of its entries is part of the identity.
    IdentityMap,
    /// The text column `severity`: how grave the row is.
    Severity,
    /// A number or a duration: evidence.
    Value,
    /// A timestamp, a date or nothing but NULL: of no meaning, but for a timestamp named `time`.
    Ignored,
    /// A list, a struct, bytes: refused.
    Unsupported,
}

impl ColumnKind {
    /// What a column of this name and type is to a rule.
    pub fn of_column(name: &str, data_type: &DataType) -> Self {
        let text = match data_type {
            DataType::Dictionary(_, value) => value,
            other => other,
        };
        match (name, text) {
            (SEVERITY_COLUMN, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Self::Severity,
            _ => Self::of(data_type),
        }
    }

    /// What a column of this type is to a rule, whatever its name.
    pub(crate) fn of(data_type: &DataType) -> Self {
        use DataType as T;
        match data_type {
            T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Boolean => Self::Identity,
            T::Dictionary(_, value) => Self::of(value),
            T::Timestamp(..) | T::Date32 | T::Date64 | T::Time32(_) | T::Time64(_) | T::Null => Self::Ignored,
            T::Duration(_) => Self::Value,
            other if other.is_numeric() => Self::Value,
            T::Map(entries, _) => match entries.data_type() {
                T::Struct(fields)
                    if fields.len() == 2
                        && fields.iter().all(|field| Self::of(field.data_type()) == Self::Identity) =>
                {
                    Self::IdentityMap
                }
                _ => Self::Unsupported,
            },
            _ => Self::Unsupported,
        }
    }
}

/// What of a result's columns no rule can use, in words; empty when all is well.
pub fn column_faults(schema: &Schema) -> Vec<String> {
    let mut names = HashSet::new();
    let mut faults = Vec::new();
    for field in schema.fields() {
        if !names.insert(field.name()) {
            faults.push(format!("two columns are named '{}'; rename one with AS", field.name()));
        }
        if ColumnKind::of_column(field.name(), field.data_type()) == ColumnKind::Unsupported {
            faults.push(format!(
                "the column '{}' is neither text, number, truth value nor time; select a part of it, or leave it out",
                field.name()
            ));
        }
    }
    faults
}

/// The rows of a result.
///
/// # Errors
/// A sentence that names the column or the rows: more than [`INSTANCES_MAX`] rows, two rows of one identity, a number that is
/// infinite or none, a column no rule can use.
pub fn rows(schema: &Schema, batches: &[RecordBatch]) -> Result<Vec<Row>, String> {
    if let Some(fault) = column_faults(schema).into_iter().next() {
        return Err(fault);
    }
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if count > INSTANCES_MAX {
        return Err(format!(
            "the query gives {count} rows, and a rule may have {INSTANCES_MAX} instances; aggregate, or narrow WHERE"
        ));
    }
    let rows = read(batches)?;
    let mut seen = HashSet::with_capacity(rows.len());
    for row in &rows {
        if !seen.insert(&row.identity) {
            let severity = match row.severity {
                Some(_) => " ('severity' is none: select it under another name)",
                None => "",
            };
            return Err(format!(
                "two rows have the identity {}; add the column that tells them apart{severity}, or aggregate with GROUP BY",
                braced(&row.identity)
            ));
        }
        if let Some((name, value)) = row.values.iter().find(|(_, value)| !value.is_finite()) {
            let hint = if value.is_nan() {
                "a sample may be NaN, which SQL takes for the largest number: leave it out by NOT isnan(value), or show finite(value)"
            } else {
                "was something divided by zero? Guard it with NULLIF(divisor, 0)"
            };
            return Err(format!("the column '{name}' is {value} for {}; {hint}", braced(&row.identity)));
        }
    }
    Ok(rows)
}

/// Columns as rows, whatever they say.
pub(super) fn read(batches: &[RecordBatch]) -> Result<Vec<Row>, String> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    let mut room = Room { bytes: IDENTITY_BYTES_MAX };
    for batch in batches {
        let first = rows.len();
        rows.resize(first + batch.num_rows(), Row::default());
        // The maps first, so that a column of its own wins over an entry of the same name.
        for maps in [true, false] {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let kind = ColumnKind::of_column(field.name(), field.data_type());
                if maps == (kind == ColumnKind::IdentityMap) {
                    fill(&mut rows[first..], field.name(), kind, column, &mut room)?;
                }
            }
        }
    }
    Ok(rows)
}

/// What texts may still take. Asked before each copy: a dictionary is small, and its texts in every row are not.
struct Room {
    bytes: usize,
}

impl Room {
    fn take(&mut self, name: &str, text: &str) -> Result<(), String> {
        match self.bytes.checked_sub(name.len() + text.len()) {
            Some(left) => self.bytes = left,
            None => {
                return Err(format!(
                    "the rows have more than {IDENTITY_BYTES_MAX} bytes of text together; select fewer text columns, or narrow WHERE"
                ));
            }
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!(
                "the column '{name}' has a text of {} bytes, and {TEXT_BYTES_MAX} are the most; select a part of it",
                text.len()
            ));
        }
        Ok(())
    }
}

fn braced(identity: &Identity) -> String {
    format!("{{{}}}", identity_text(identity))
}

/// Puts one column into the rows.
fn fill(rows: &mut [Row], name: &str, kind: ColumnKind, column: &ArrayRef, room: &mut Room) -> Result<(), String> {
    let convert =
        |to: &DataType| cast(column, to).map_err(|error| format!("the column '{name}' can't be read: {error}"));
    match kind {
        ColumnKind::Identity => {
            let texts = convert(&DataType::Utf8)?;
            for (row, text) in rows.iter_mut().zip(texts.as_string::<i32>()) {
                if let Some(text) = text {
                    room.take(name, text)?;
                    row.identity.insert(name.to_owned(), text.to_owned());
                }
            }
        }
        ColumnKind::Severity => {
            let texts = convert(&DataType::Utf8)?;
            for (row, text) in rows.iter_mut().zip(texts.as_string::<i32>()) {
                let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { continue };
                if text.len() > SEVERITY_BYTES_MAX {
                    return Err(format!(
                        "the column 'severity' has a text of {} bytes; write a word, like 'critical'",
                        text.len()
                    ));
                }
                room.take(name, text)?;
                row.severity = Some(text.to_owned());
            }
        }
        ColumnKind::IdentityMap => fill_map(rows, column, &convert, room)?,
        ColumnKind::Value => {
            let (column, unit) = match column.data_type() {
                DataType::Duration(_) => {
                    let nanos = convert(&DataType::Duration(TimeUnit::Nanosecond))?;
                    let nanos = cast(&nanos, &DataType::Int64).map_err(|error| error.to_string())?;
                    let nanos = nanos.as_primitive::<Int64Type>().unary::<_, Float64Type>(|nanos| nanos as f64);
                    (Arc::new(nanos) as ArrayRef, 1e-9)
                }
                _ => (convert(&DataType::Float64)?, 1.0),
            };
            for (row, value) in rows.iter_mut().zip(column.as_primitive::<Float64Type>()) {
                if let Some(value) = value {
                    row.values.insert(name.to_owned(), value * unit);
                }
            }
        }
        ColumnKind::Ignored => {
            if let (TIME_COLUMN, DataType::Timestamp(..)) = (name, column.data_type()) {
                let times = convert(&DataType::Timestamp(TimeUnit::Nanosecond, None))?;
                for (row, time) in rows.iter_mut().zip(times.as_primitive::<TimestampNanosecondType>()) {
                    row.time = time.map(UnixNanos);
                }
            }
        }
        ColumnKind::Unsupported => return Err(format!("the column '{name}' can't be used in a rule")),
    }
    Ok(())
}

fn fill_map(
    rows: &mut [Row],
    column: &ArrayRef,
    convert: &impl Fn(&DataType) -> Result<ArrayRef, String>,
    room: &mut Room,
) -> Result<(), String> {
    let column = match column.data_type() {
        DataType::Dictionary(_, map) => convert(map)?,
        _ => Arc::clone(column),
    };
    let maps = column.as_map();
    let text = |array: &ArrayRef| cast(array, &DataType::Utf8).map_err(|error| error.to_string());
    let (names, texts) = (text(maps.keys())?, text(maps.values())?);
    let (names, texts) = (names.as_string::<i32>(), texts.as_string::<i32>());
    for (index, row) in rows.iter_mut().enumerate() {
        if maps.is_null(index) {
            continue;
        }
        let range = maps.value_offsets()[index] as usize..maps.value_offsets()[index + 1] as usize;
        for entry in range.filter(|&entry| !texts.is_null(entry)) {
            let (name, text) = (names.value(entry), texts.value(entry));
            room.take(name, text)?;
            row.identity.insert(name.to_owned(), text.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, DictionaryArray, DurationMillisecondArray, Float64Array, Int64Array, MapBuilder, StringArray,
        StringBuilder, StringViewArray, TimestampMillisecondArray, UInt64Array,
    };
    use arrow::datatypes::{Int32Type, SchemaRef};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> (SchemaRef, Vec<RecordBatch>) {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        (batch.schema(), vec![batch])
    }

    fn check(columns: Vec<(&str, ArrayRef)>, expected: &str) {
        let (schema, batches) = batch(columns);
        let found = match rows(&schema, &batches) {
            Ok(rows) => rows.iter().map(show).collect::<Vec<_>>().join("; "),
            Err(error) => error,
        };
        assert_eq!(found, expected);
    }

    fn show(row: &Row) -> String {
        let time = row.time.map(|time| format!(" at {}", time.as_millis())).unwrap_or_default();
        format!("{} {:?}{time}", braced(&row.identity), row.values)
    }

    #[test]
    fn texts_that_would_fill_the_memory_are_an_error() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        check(
            vec![("a", Arc::new(StringArray::from(vec![long.as_str()])))],
            "the column 'a' has a text of 65537 bytes, and 65536 are the most; select a part of it",
        );
        let keys = (0..10_000).map(|_| Some("y".repeat(2000))).collect::<Vec<_>>();
        let dictionary: DictionaryArray<Int32Type> = keys.iter().map(|key| key.as_deref()).collect();
        check(
            vec![("a", Arc::new(dictionary))],
            "the rows have more than 16777216 bytes of text together; select fewer text columns, or narrow WHERE",
        );
    }

    #[test]
    fn texts_and_truths_are_the_identity_and_numbers_the_values() {
        let dictionary: DictionaryArray<Int32Type> = [Some("a"), None].into_iter().collect();
        check(
            vec![
                ("host", Arc::new(dictionary)),
                ("pod", Arc::new(StringViewArray::from(vec![Some("p"), Some("q")]))),
                ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
                ("n", Arc::new(Int64Array::from(vec![Some(3), None]))),
                ("big", Arc::new(UInt64Array::from(vec![1, 2]))),
                ("for", Arc::new(DurationMillisecondArray::from(vec![1500, 0]))),
                ("time", Arc::new(TimestampMillisecondArray::from(vec![Some(7), None]).with_timezone("UTC"))),
                ("seen", Arc::new(TimestampMillisecondArray::from(vec![8, 8]))),
            ],
            "{host=a,ok=true,pod=p} {\"big\": 1.0, \"for\": 1.5, \"n\": 3.0} at 7; {pod=q} {\"big\": 2.0, \"for\": 0.0}",
        );
    }

    #[test]
    fn a_map_of_labels_is_spread_and_a_column_wins_over_its_entry() {
        let mut labels = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (name, value) in [("host", "from the map"), ("zone", "z")] {
            labels.keys().append_value(name);
            labels.values().append_value(value);
        }
        labels.append(true).expect("a value for each key");
        let host: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        check(vec![("host", host), ("labels", Arc::new(labels.finish()))], "{host=a,zone=z} {}");
    }

    #[test]
    fn rows_that_no_rule_can_use_are_named() {
        let hosts = |hosts: Vec<&str>| Arc::new(StringArray::from(hosts)) as ArrayRef;
        let numbers = |numbers: Vec<f64>| Arc::new(Float64Array::from(numbers)) as ArrayRef;
        check(
            vec![("host", hosts(vec!["a", "b", "a"])), ("v", numbers(vec![1.0, 2.0, 3.0]))],
            "two rows have the identity {host=a}; add the column that tells them apart, or aggregate with GROUP BY",
        );
        check(
            vec![("v", numbers(vec![1.0, 2.0]))],
            "two rows have the identity {}; add the column that tells them apart, or aggregate with GROUP BY",
        );
        check(
            vec![("host", hosts(vec!["a"])), ("share", numbers(vec![f64::INFINITY]))],
            "the column 'share' is inf for {host=a}; was something divided by zero? Guard it with NULLIF(divisor, 0)",
        );
        check(
            vec![("host", hosts(vec!["a"])), ("p99", numbers(vec![f64::NAN]))],
            "the column 'p99' is NaN for {host=a}; a sample may be NaN, which SQL takes for the largest number: leave it out by NOT isnan(value), or show finite(value)",
        );
        check(
            vec![("host", hosts(vec![""; INSTANCES_MAX + 1]))],
            "the query gives 10001 rows, and a rule may have 10000 instances; aggregate, or narrow WHERE",
        );
        let list = arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some([Some(1)])]);
        check(
            vec![("l", Arc::new(list))],
            "the column 'l' is neither text, number, truth value nor time; select a part of it, or leave it out",
        );
    }

    #[test]
    fn the_column_severity_is_no_part_of_the_identity() {
        let texts = |texts: Vec<Option<&str>>| Arc::new(StringViewArray::from(texts)) as ArrayRef;
        let hosts = || texts(vec![Some("a"), Some("b"), Some("c")]);
        let (schema, batches) =
            batch(vec![("host", hosts()), ("severity", texts(vec![Some(" critical"), None, Some("")]))]);
        let found: Vec<_> = rows(&schema, &batches)
            .expect("good rows")
            .into_iter()
            .map(|row| (braced(&row.identity), row.severity))
            .collect();
        let expected = [("{host=a}", Some("critical")), ("{host=b}", None), ("{host=c}", None)];
        assert_eq!(found, expected.map(|(identity, severity)| (identity.to_owned(), severity.map(str::to_owned))));
        check(vec![("severity", Arc::new(Int64Array::from(vec![3])))], "{} {\"severity\": 3.0}");
        check(
            vec![("severity", texts(vec![Some(&"x".repeat(201))]))],
            "the column 'severity' has a text of 201 bytes; write a word, like 'critical'",
        );
        check(
            vec![("severity", texts(vec![Some("a"), Some("b")]))],
            "two rows have the identity {}; add the column that tells them apart ('severity' is none: select it under another name), or aggregate with GROUP BY",
        );
    }

    #[test]
    fn no_rows_are_no_violations() {
        check(vec![("host", Arc::new(StringArray::from(Vec::<&str>::new())))], "");
    }
}
