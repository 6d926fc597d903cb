//! The tables `twin.<kind>`.
//!
//! | column | type | holds |
//! |---|---|---|
//! | `id` | text | the entity's id |
//! | parents | text, null when unknown | ids of parents: `cluster`, `node`, `namespace`, … |
//! | main attributes | f64 or text, null when unknown | the same as in the maps; the unit stands in the field's metadata |
//! | `labels` | map text → text | |
//! | `attributes` | map text → f64 | all attributes that are numbers |
//! | `states` | map text → text | all attributes that are words |
//! | `attribute_times` | map text → timestamp | the time of each attribute of either map |
//! | `first_seen_at`, `updated_at` | timestamp | the oldest and the newest point that speak of the entity |
//!
//! Rows are sorted by id.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayBuilder, ArrayRef, Float64Builder, MapBuilder, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampNanosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use flyball_model::batch::time_type;
use flyball_model::rows::{map_field_names, string_map_type};

use crate::attribute::Value;
use crate::kind::{EntityKind, Source};
use crate::mapping::Mapping;
use crate::picture::{Attributes, Picture, Wanted, pictures_with};
use crate::state::State;

/// The key of a field's metadata that holds its unit.
const UNIT: &str = "unit";

static SCHEMAS: LazyLock<[SchemaRef; EntityKind::ALL.len()]> = LazyLock::new(|| EntityKind::ALL.map(make_schema));

pub(crate) fn schema(kind: EntityKind) -> SchemaRef {
    Arc::clone(&SCHEMAS[kind as usize])
}

fn make_schema(kind: EntityKind) -> SchemaRef {
    let mut fields = vec![Field::new("id", DataType::Utf8, false)];
    fields.extend(kind.columns().iter().map(|&(name, source)| match source {
        Source::Parent | Source::Label | Source::State => Field::new(name, DataType::Utf8, true),
        Source::Number(unit) => {
            Field::new(name, DataType::Float64, true).with_metadata(HashMap::from([(UNIT.to_owned(), unit.to_owned())]))
        }
    }));
    fields.push(Field::new("labels", string_map_type(), false));
    fields.push(Field::new("attributes", map_type(DataType::Float64), false));
    fields.push(Field::new("states", string_map_type(), false));
    fields.push(Field::new("attribute_times", map_type(time_type()), false));
    fields.push(Field::new("first_seen_at", time_type(), false));
    fields.push(Field::new("updated_at", time_type(), false));
    Arc::new(Schema::new(fields))
}

fn map_type(value: DataType) -> DataType {
    let pair = vec![Field::new("key", DataType::Utf8, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(pair.into()), false)), false)
}

/// Some columns of a table, by their places in the schema. What none of them needs is not put together.
pub(crate) fn columns(state: &State, mapping: &Mapping, kind: EntityKind, places: &[usize]) -> RecordBatch {
    let columns: Vec<Column> = places.iter().map(|&place| Column::at(kind, place)).collect();
    let entities: Vec<_> = pictures_with(state, mapping, kind, &wanted(&columns)).collect();
    let arrays = columns.iter().map(|column| column.of(&entities)).collect();
    let schema = Arc::new(schema(kind).project(places).expect("places are those of columns"));
    let options = RecordBatchOptions::new().with_row_count(Some(entities.len()));
    RecordBatch::try_new_with_options(schema, arrays, &options)
        .expect("the columns are made for this schema, with one length")
}

/// All of them.
pub(crate) fn batch(state: &State, mapping: &Mapping, kind: EntityKind) -> RecordBatch {
    let places: Vec<usize> = (0..schema(kind).fields().len()).collect();
    columns(state, mapping, kind, &places)
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Named(&'static str, Source),
    Labels,
    Numbers,
    States,
    Times,
    FirstSeenAt,
    UpdatedAt,
}

/// The columns behind those of a kind's own.
const COMMON: [Column; 6] =
    [Column::Labels, Column::Numbers, Column::States, Column::Times, Column::FirstSeenAt, Column::UpdatedAt];

impl Column {
    fn at(kind: EntityKind, place: usize) -> Self {
        let own = kind.columns();
        match place.checked_sub(1) {
            None => Column::Id,
            Some(place) => match own.get(place) {
                Some(&(name, source)) => Column::Named(name, source),
                None => COMMON[place - own.len()],
            },
        }
    }

    fn of(self, entities: &[Picture<'_>]) -> ArrayRef {
        match self {
            Column::Id => texts(entities, |entity| Some(entity.id)),
            Column::Named(name, Source::Parent) => texts(entities, |entity| entity.parents.get(name).copied()),
            Column::Named(name, Source::Label) => texts(entities, |entity| entity.labels.get(name).copied()),
            Column::Named(name, Source::State) => texts(entities, |entity| word(&entity.attributes.get(name)?.value)),
            Column::Named(name, Source::Number(_)) => {
                numbers(entities, |entity| number(&entity.attributes.get(name)?.value))
            }
            Column::Labels => map(entities, StringBuilder::new(), |entity, keys, values| {
                for (name, value) in &entity.labels {
                    keys.append_value(name);
                    values.append_value(value);
                }
            }),
            Column::Numbers => map(entities, Float64Builder::new(), |entity, keys, values| {
                for (name, value) in
                    entity.attributes.iter().filter_map(|(name, now)| Some((name, number(&now.value)?)))
                {
                    keys.append_value(name);
                    values.append_value(value);
                }
            }),
            Column::States => map(entities, StringBuilder::new(), |entity, keys, values| {
                for (name, value) in entity.attributes.iter().filter_map(|(name, now)| Some((name, word(&now.value)?)))
                {
                    keys.append_value(name);
                    values.append_value(value);
                }
            }),
            Column::Times => map(entities, times_builder(), |entity, keys, values| {
                for (name, now) in &entity.attributes {
                    keys.append_value(name);
                    values.append_value(now.time.0);
                }
            }),
            Column::FirstSeenAt => times(entities, |entity| entity.first_seen_at.0),
            Column::UpdatedAt => times(entities, |entity| entity.updated_at.0),
        }
    }
}

/// What columns need of an entity.
fn wanted(columns: &[Column]) -> Wanted<'static> {
    let all = columns.iter().any(|column| matches!(column, Column::Numbers | Column::States | Column::Times));
    let names = columns.iter().filter_map(|column| match column {
        Column::Named(name, Source::State | Source::Number(_)) => Some(*name),
        _ => None,
    });
    let of_claims =
        |column: &Column| matches!(column, Column::Labels | Column::Named(_, Source::Parent | Source::Label));
    Wanted {
        claims: columns.iter().any(of_claims),
        attributes: if all { Attributes::All } else { Attributes::Some(names.collect()) },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Word(_) => None,
    }
}

fn word(value: &Value) -> Option<&str> {
    match value {
        Value::Number(_) => None,
        Value::Word(word) => Some(word),
    }
}

fn texts<'p, 'a>(entities: &'p [Picture<'a>], of: impl Fn(&'p Picture<'a>) -> Option<&'p str>) -> ArrayRef {
    let mut column = StringBuilder::new();
    entities.iter().for_each(|entity| column.append_option(of(entity)));
    Arc::new(column.finish())
}

fn numbers<'p, 'a>(entities: &'p [Picture<'a>], of: impl Fn(&'p Picture<'a>) -> Option<f64>) -> ArrayRef {
    let mut column = Float64Builder::new();
    entities.iter().for_each(|entity| column.append_option(of(entity)));
    Arc::new(column.finish())
}

fn times(entities: &[Picture<'_>], of: impl Fn(&Picture<'_>) -> i64) -> ArrayRef {
    let mut column = times_builder();
    entities.iter().for_each(|entity| column.append_value(of(entity)));
    Arc::new(column.finish())
}

fn times_builder() -> TimestampNanosecondBuilder {
    TimestampNanosecondBuilder::new().with_timezone("UTC")
}

fn map<B: ArrayBuilder>(
    entities: &[Picture<'_>],
    values: B,
    append: impl Fn(&Picture<'_>, &mut StringBuilder, &mut B),
) -> ArrayRef {
    let mut column = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), values);
    for entity in entities {
        let (keys, values) = column.entries();
        append(entity, keys, values);
        column.append(true).expect("a key was appended with each value");
    }
    Arc::new(column.finish())
}
