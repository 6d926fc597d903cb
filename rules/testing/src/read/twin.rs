//! `twin: node`: an entity with its parents, labels, attributes and states.
//!
//! The twin is what its mapping makes of series, and nothing else writes to it. So an input becomes series of its own, and rules of the
//! mapping that read them; the twin does the rest as it does live. No table but the twin's has these series.

use std::collections::BTreeMap;
use std::fmt::Write;

use flyball_twin::EntityKind;
use flyball_yaml::{Fields, Problem, Reader, Text, nearest};

use super::input::values;
use super::labels;
use crate::notation::Values;

/// What stands before the names of the series.
const METRIC: &str = "flyball_input";
/// The label that is the entity's id.
const ID: &str = "flyball_input_id";
/// The label that is the word of a state.
const WORD: &str = "flyball_input_word";
/// What stands before the names of labels that are parents.
const PARENT: &str = "flyball_input_parent_";

/// Rules of the mapping, and the series that they read.
pub(super) struct Spoken {
    pub(super) rules: String,
    pub(super) series: Vec<Series>,
}

pub(super) struct Series {
    pub(super) metric: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) values: Values,
}

/// Reads an entity.
pub(super) fn read(reader: &mut Reader, fields: Fields<'_>) -> Option<Spoken> {
    let kind = reader.parse_required(fields, "twin", |word| {
        let names = || EntityKind::ALL.into_iter().map(EntityKind::as_str);
        EntityKind::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| match nearest(word, names()) {
            Some(meant) => format!("'{word}' is no kind of entity; did you mean '{meant}'?"),
            None => format!("'{word}' is no kind of entity; there are {}", names().collect::<Vec<_>>().join(", ")),
        })
    });
    let id = reader.required(fields, "id");
    let (kind, id) = (kind?, id?);
    let parents = fields.get("parents").map(|node| reader.texts(node, "'parents'")).unwrap_or_default();
    let own = fields.get("labels").map(|node| labels(reader, node, "'labels'")).unwrap_or_default();
    let metric = format!("{METRIC}_{kind}");
    let mut rules = format!("- entity: {kind}\n  metrics: [\"{metric}_*\"]\n  id: \"{{{ID}}}\"\n");
    let mut all = own.clone();
    all.insert(ID.to_owned(), id.as_str().to_owned());
    let parents: Vec<_> = parents.into_iter().filter(|(name, _)| is_parent(reader, kind, name)).collect();
    if !parents.is_empty() {
        rules.push_str("  parents:\n");
        for (name, value) in parents {
            let name = name.as_str();
            // Writing to a String can't fail.
            let _ = writeln!(rules, "    {name}: \"{{{PARENT}{name}}}\"");
            all.insert(format!("{PARENT}{name}"), value.as_str().to_owned());
        }
    }
    if !own.is_empty() {
        let names: Vec<_> = own.keys().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(rules, "  labels: [{}]", names.join(", "));
    }
    let mut series = vec![Series { metric: format!("{metric}_is"), labels: all.clone(), values: Values::one(1.0) }];
    for (name, node) in fields.get("attributes").map(|node| reader.entries(node, "'attributes'")).unwrap_or_default() {
        let values = is_word(reader, &name).then(|| values(reader, node, &format!("'{}'", name.as_str()))).flatten()?;
        let metric = format!("{metric}_number_{}", name.as_str());
        let _ = writeln!(rules, "- attribute: {}\n  of: {kind}\n  metrics: [{metric}]", name.as_str());
        series.push(Series { metric, labels: all.clone(), values });
    }
    for (name, word) in fields.get("states").map(|node| reader.texts(node, "'states'")).unwrap_or_default() {
        if !is_word(reader, &name) {
            return None;
        }
        let metric = format!("{metric}_word_{}", name.as_str());
        let _ = writeln!(rules, "- attribute: {}\n  of: {kind}\n  metrics: [{metric}]\n  word: {WORD}", name.as_str());
        let mut labels = all.clone();
        labels.insert(WORD.to_owned(), word.as_str().to_owned());
        series.push(Series { metric, labels, values: Values::one(1.0) });
    }
    Some(Spoken { rules, series })
}

/// Names stand in the mapping's text: what is no name must not get there.
fn is_word(reader: &mut Reader, name: &Text) -> bool {
    let good = flyball_model::name::label_name(name.as_str());
    let fits = good == name.as_str() && !good.is_empty();
    if !fits {
        let message = format!("'{}' is not the name of an attribute; take letters, digits and _", name.as_str());
        reader.note(Problem::error(name.place(), message));
    }
    fits
}

fn is_parent(reader: &mut Reader, kind: EntityKind, name: &Text) -> bool {
    let fits = kind.parents().any(|parent| parent == name.as_str());
    if !fits {
        let hint = match nearest(name.as_str(), kind.parents()) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("it has {}", kind.parents().collect::<Vec<_>>().join(", ")),
        };
        reader.note(Problem::error(name.place(), format!("a {kind} has no parent '{}'", name.as_str())).hint(hint));
    }
    fits
}
