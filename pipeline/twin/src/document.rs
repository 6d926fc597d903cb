//! The native document.
//!
//! ```json
//! {"time": "2026-01-01T00:00:10Z",
//!  "nodes": [{"id": "edge-1",
//!             "labels": {"machine": "x86_64"},
//!             "parents": {"cluster": "a"},
//!             "attributes": {"power_watts": {"value": 41.25, "unit": "W", "time": "2026-01-01T00:00:09.5Z"}},
//!             "first_seen_at": "2026-01-01T00:00:00Z",
//!             "updated_at": "2026-01-01T00:00:09.5Z"}],
//!  "pods": [], "deployments": [], "clusters": [], "processes": [], "devices": [], "controllers": [], "links": []}
//! ```
//!
//! Lists are sorted by id, maps by name. `value` is a number, a word (`"Running"`), or null for NaN and infinities, which
//! JSON cannot say. `unit` is UCUM, and empty when nobody said one. `updated_at` is the time of the newest point that
//! speaks of the entity: an entity that went silent stays, and this tells.

use flyball_model::UnixNanos;
use serde_json::{Map, Value as Json, json};

use crate::attribute::{Current, Value};
use crate::kind::EntityKind;
use crate::mapping::Mapping;
use crate::picture::{Picture, picture, pictures};
use crate::state::State;

pub(crate) fn document(state: &State, mapping: &Mapping, now: UnixNanos) -> Json {
    let mut document = Map::new();
    document.insert("time".into(), now.to_string().into());
    for kind in EntityKind::ALL {
        let entities: Vec<_> = pictures(state, mapping, kind).map(|picture| write(&picture)).collect();
        document.insert(kind.plural().into(), entities.into());
    }
    Json::Object(document)
}

pub(crate) fn entity(state: &State, mapping: &Mapping, kind: EntityKind, id: &str) -> Option<Json> {
    let &entity = state.by_id[kind as usize].get(id)?;
    picture(state, mapping, &state.entities[entity as usize]).map(|picture| write(&picture))
}

fn write(picture: &Picture<'_>) -> Json {
    let texts = |map: &std::collections::BTreeMap<&str, &str>| -> Map<String, Json> {
        map.iter().map(|(&name, &value)| (name.to_owned(), value.into())).collect()
    };
    let attributes: Map<String, Json> =
        picture.attributes.iter().map(|(&name, current)| (name.to_owned(), write_attribute(current))).collect();
    json!({
        "id": picture.id,
        "labels": texts(&picture.labels),
        "parents": texts(&picture.parents),
        "attributes": attributes,
        "first_seen_at": picture.first_seen_at.to_string(),
        "updated_at": picture.updated_at.to_string(),
    })
}

fn write_attribute(current: &Current<'_>) -> Json {
    let value = match &current.value {
        Value::Number(number) => Json::from(*number),
        Value::Word(word) => Json::from(word.as_ref()),
    };
    json!({"value": value, "unit": current.unit, "time": current.time.to_string()})
}
