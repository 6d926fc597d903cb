//! YAML as a tree in which each node knows where it was written.
//!
//! Reading straight into types would stop at the first problem; the tree lets a [`Reader`](crate::Reader) find them all.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::problem::{Place, Problem};
use crate::source::Source;

/// Values of one file. Reached long after any file a person writes: a rule has about twenty of them.
const NODES_MAX: usize = 2_000_000;
/// What is kept of anchors, to be put in where an alias names them. Aliases of aliases double it with each line.
const ANCHORED_MAX: usize = 100_000;
/// Lists and mappings inside each other; a rule file, the deepest of ours, needs nine.
const DEPTH_MAX: usize = 32;

/// A value of the file.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it was written: the whole of a scalar, the beginning of a list or mapping.
    pub range: Range<usize>,
}

impl Node {
    /// A single value as it was written or meant.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) | Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value of a mapping's key, the first where it stands twice; `None` of what is no mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A list's items, or what is no list as the one item, where people may write either.
    pub fn one_or_more(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }
}

/// What a value is.
#[derive(Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A truth value or number that was not quoted: as it was written.
    Plain(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Plain(_) | Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads a file's one document.
///
/// # Errors
/// The first place that is not YAML: after it nothing can be told apart.
pub fn parse(source: &Source) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_depth: DEPTH_MAX,
            max_recorded_anchor_events: ANCHORED_MAX,
        },
        // The reader tells of each of them.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Spanned<Raw>>(source.text(), options)
        .map(|raw| raw_to_node(raw, source.text()))
        .map_err(|error| {
            let place = match error.location() {
                Some(at) if at != Location::UNKNOWN => {
                    Place { file: source.name().to_owned(), line: at.line() as usize, column: at.column() as usize }
                }
                _ => Place::start_of(source.name()),
            };
            explain(&error, place)
        })
}

fn explain(error: &serde_saphyr::Error, place: Place) -> Problem {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::MultipleDocuments { .. } => Problem::error(place, "a second YAML document begins here")
            .hint("a file is one document; put what follows into another file"),
        other => {
            let message = other.to_string();
            if message.contains("budget breached") {
                return too_much(&message, place);
            }
            // The place stands before the message already.
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            Problem::error(place, format!("this is not YAML: {message}"))
        }
    }
}

/// A file that takes more than a file may; the parser names the bound by its field.
fn too_much(message: &str, place: Place) -> Problem {
    if message.contains("Depth") {
        Problem::error(place, format!("lists and mappings stand inside each other more than {DEPTH_MAX} deep"))
    } else if message.contains("Anchor") || message.contains("Alias") {
        Problem::error(place, "aliases stand for more than a file may hold").hint("write out what they repeat")
    } else {
        Problem::error(place, format!("the file has more than {NODES_MAX} values")).hint("split it into several")
    }
}

/// The tree as serde hands it over, before the text of plain scalars is looked up.
enum Raw {
    Null,
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn raw_to_node(raw: Spanned<Raw>, text: &str) -> Node {
    let span = raw.defined.span();
    let start = span.byte_offset().map_or(0, |offset| offset as usize).min(text.len());
    let end = (start + span.byte_len().map_or(0, |len| len as usize)).min(text.len());
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Plain => Value::Plain(text.get(start..end).unwrap_or_default().to_owned()),
        Raw::Text(value) => Value::Text(value),
        Raw::List(items) => Value::List(items.into_iter().map(|item| raw_to_node(item, text)).collect()),
        Raw::Map(entries) => Value::Map(
            entries.into_iter().map(|(key, value)| (raw_to_node(key, text), raw_to_node(value, text))).collect(),
        ),
    };
    Node { value, range: start..end }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary values have no place here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
