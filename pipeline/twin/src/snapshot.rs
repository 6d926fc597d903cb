//! Records of the twin for time-series stores.
//!
//! Measurement `twin_<kind>`. Tags: `id` and those parents that are part of it, so that the set of tags is the same for
//! every record of a measurement (InfluxDB 3 fixes it at the first write) and a pod that moves stays one series. Fields: each
//! attribute (numbers as floats, words as text), each other parent as text, and `age_seconds`, how long ago the entity was
//! last heard of, which is always there. An attribute older than [`ALIVE_WITHIN`] is left out: it would be written as if it
//! were of now. So is an entity, once that long silent.

use flyball_model::UnixNanos;
use flyball_model::ports::{FieldValue, Record};

use crate::attribute::Value;
use crate::cell::ALIVE_WITHIN;
use crate::kind::EntityKind;
use crate::mapping::Mapping;
use crate::picture::{Picture, pictures};
use crate::state::State;

pub(crate) fn records(state: &State, mapping: &Mapping, now: UnixNanos) -> Vec<Record> {
    let mut records = Vec::new();
    for kind in EntityKind::ALL {
        records.extend(
            pictures(state, mapping, kind)
                .filter(|picture| now.since(picture.updated_at) <= ALIVE_WITHIN)
                .map(|picture| record(kind, &picture, now)),
        );
    }
    records
}

fn record(kind: EntityKind, picture: &Picture<'_>, now: UnixNanos) -> Record {
    let mut tags = vec![("id".to_owned(), picture.id.to_owned())];
    let mut fields = vec![("age_seconds".to_owned(), FieldValue::Float(now.since(picture.updated_at).as_secs_f64()))];
    for (&name, &parent) in &picture.parents {
        if kind.identity_parents().contains(&name) {
            tags.push((name.to_owned(), parent.to_owned()));
        } else {
            fields.push((name.to_owned(), FieldValue::Text(parent.to_owned())));
        }
    }
    for (&name, current) in &picture.attributes {
        let value = match &current.value {
            Value::Number(number) if number.is_finite() => FieldValue::Float(*number),
            Value::Number(_) => continue,
            Value::Word(word) => FieldValue::Text(word.as_ref().to_owned()),
        };
        // A user may give a parent and an attribute one name; the parent has it.
        if now.since(current.time) <= ALIVE_WITHIN && !picture.parents.contains_key(name) {
            fields.push((name.to_owned(), value));
        }
    }
    tags.sort_unstable();
    Record { measurement: kind.measurement().to_owned(), tags, fields, time: now }
}
