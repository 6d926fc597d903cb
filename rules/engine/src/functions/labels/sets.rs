//! Sets of labels as maps of texts.
//!
//! | function | gives |
//! |---|---|
//! | `labels('a', x, 'b', y)` | the set of these |
//! | `labels_only(set, 'a', 'b')` | of a set those that are named |
//! | `labels_without(set, 'a', 'b')` | the others |
//! | `labels_with(set, 'a', x)` | the set with this one put in or replaced |
//! | `label(set, 'a')` | one label's value, NULL where it is not there |
//!
//! A value that is NULL or empty is a label that is not there, as everywhere in the data model; so two sets are equal exactly when they
//! have the same labels. Entries are in the order of their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, MapBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use flyball_model::rows::{map_field_names, string_map_type};

/// What is done with a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Function {
    New,
    Only,
    Without,
    With,
    Get,
}

impl Function {
    pub(super) const ALL: [Function; 5] =
        [Function::New, Function::Only, Function::Without, Function::With, Function::Get];

    const fn name(self) -> &'static str {
        match self {
            Function::New => "labels",
            Function::Only => "labels_only",
            Function::Without => "labels_without",
            Function::With => "labels_with",
            Function::Get => "label",
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Function::New => "labels('host', host, 'site', site)",
            Function::Only => "labels_only(labels, 'host', 'site')",
            Function::Without => "labels_without(labels, 'cpu')",
            Function::With => "labels_with(labels, 'site', site)",
            Function::Get => "label(labels, 'host')",
        }
    }

    /// How many arguments stand before the names, and how many belong to a name.
    const fn shape(self) -> (usize, usize) {
        match self {
            Function::New => (0, 2),
            Function::Only | Function::Without | Function::Get => (1, 1),
            Function::With => (1, 2),
        }
    }

    /// The function in SQL.
    pub(super) fn udf(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(OfLabels { function: self, signature: Signature::variadic_any(Volatility::Immutable) })
    }
}

fn builder() -> MapBuilder<StringBuilder, StringBuilder> {
    MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfLabels {
    function: Function,
    signature: Signature,
}

impl OfLabels {
    fn check(&self, types: &[DataType]) -> Result<()> {
        let (before, each) = self.function.shape();
        let (name, usage) = (self.function.name(), self.function.usage());
        if types.len() < before || !(types.len() - before).is_multiple_of(each) {
            return plan_err!("{name}: the arguments are {usage}");
        }
        if self.function == Function::Get && types.len() != 2 {
            return plan_err!("{name}: it takes a set and one name: {usage}");
        }
        let (sets, texts) = types.split_at(before);
        if sets.iter().any(|set| !matches!(set, DataType::Map(..) | DataType::Null)) {
            return plan_err!("{name}: the first argument is a map of labels: {usage}");
        }
        if texts.iter().any(|text| !is_text(text)) {
            return plan_err!("{name}: names and values of labels are texts: {usage}");
        }
        Ok(())
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

impl ScalarUDFImpl for OfLabels {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.check(types)?;
        Ok(if self.function == Function::Get { DataType::Utf8 } else { string_map_type() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let (before, each) = self.function.shape();
        let (sets, texts) = columns.split_at(before);
        let set = match sets.first() {
            Some(set) => Some(Set::of(set)?),
            None => None,
        };
        let texts: Vec<StringArray> = texts.iter().map(text).collect::<Result<_>>()?;
        let given = |row: usize| set.as_ref().map(|set| set.row(at(row, set.maps.len()))).unwrap_or_default();
        if self.function == Function::Get {
            let value = |row: usize| given(row).get(text_at(&texts[0], row)?).map(|&value| value.to_owned());
            let values: StringArray = (0..rows).map(value).collect();
            return Ok(ColumnarValue::Array(Arc::new(values) as ArrayRef));
        }
        let mut maps = builder();
        for row in 0..rows {
            for (name, value) in self.function.row(given(row), texts.chunks(each), row) {
                maps.keys().append_value(name);
                maps.values().append_value(value);
            }
            maps.append(true)?;
        }
        Ok(ColumnarValue::Array(Arc::new(maps.finish()) as ArrayRef))
    }
}

impl Function {
    /// The labels of one row.
    fn row<'a>(
        self,
        given: BTreeMap<&'a str, &'a str>,
        entries: impl Iterator<Item = &'a [StringArray]>,
        row: usize,
    ) -> BTreeMap<&'a str, &'a str> {
        let mut made = if self == Function::Only { BTreeMap::new() } else { given.clone() };
        for entry in entries {
            let Some(name) = text_at(&entry[0], row) else { continue };
            let value = entry.get(1).and_then(|values| text_at(values, row)).filter(|text| !text.is_empty());
            match (self, value) {
                (Function::Only, _) => made.extend(given.get_key_value(name)),
                (Function::New | Function::With, Some(value)) => drop(made.insert(name, value)),
                _ => drop(made.remove(name)),
            }
        }
        made
    }
}

fn text_at(column: &StringArray, row: usize) -> Option<&str> {
    let row = at(row, column.len());
    column.is_valid(row).then(|| column.value(row))
}

/// A row of a column that may be one value for all rows.
const fn at(row: usize, len: usize) -> usize {
    if len == 1 { 0 } else { row }
}

/// A column of maps, taken apart.
struct Set {
    maps: MapArray,
    names: StringArray,
    values: StringArray,
}

impl Set {
    fn of(column: &ArrayRef) -> Result<Self> {
        let Some(maps) = column.as_map_opt() else {
            return exec_err!("a map of labels was expected, and here is {}", column.data_type());
        };
        Ok(Self { names: text(maps.keys())?, values: text(maps.values())?, maps: maps.clone() })
    }

    fn row(&self, row: usize) -> BTreeMap<&str, &str> {
        if self.maps.is_null(row) {
            return BTreeMap::new();
        }
        let offsets = self.maps.value_offsets();
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        entries
            .filter(|&entry| self.values.is_valid(entry) && !self.values.value(entry).is_empty())
            .map(|entry| (self.names.value(entry), self.values.value(entry)))
            .collect()
    }
}

fn text(column: &ArrayRef) -> Result<StringArray> {
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}
