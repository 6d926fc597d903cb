//! Objects and lists, read by a message's table.

use std::fmt::{self, Formatter};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use super::Work;
use super::fault::Step;
use super::number;
use super::schema::{Cardinality, Field, Kind, Message};
use super::text::TextVisitor;
use crate::otlp::any_value::ANY_VALUE_DEPTH_MAX;

/// Reads a whole request.
///
/// # Errors
/// When it is none, or more comes out than the limit.
pub(super) fn read_request<'de, D>(message: &'static Message, work: &mut Work, deserializer: D) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(MessageVisitor { message, number: None, depth: 0, work }).map(|_| ())
}

/// Reads an object and writes it as the field `number`; a request has none. Whether there was one: `null` is none.
struct MessageVisitor<'w> {
    message: &'static Message,
    number: Option<u32>,
    /// Arrays and maps of AnyValues around this message.
    depth: usize,
    work: &'w mut Work,
}

impl<'de> Visitor<'de> for MessageVisitor<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "an object: {}", self.message.name)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        match self.number {
            Some(_) => Ok(false),
            None => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let Self { message, number, depth, work } = self;
        let depth = depth + usize::from(message.level);
        if depth > ANY_VALUE_DEPTH_MAX {
            let problem = format!("an AnyValue is nested more than {ANY_VALUE_DEPTH_MAX} levels deep; flatten it");
            return Err(Error::custom(problem));
        }
        let opened = number.map(|number| work.output.open(number)).transpose().map_err(Error::custom)?;
        read_fields(message, depth, work, map)?;
        if let Some(opened) = opened {
            work.output.close(opened);
        }
        Ok(true)
    }
}

fn read_fields<'de, A>(message: &'static Message, depth: usize, work: &mut Work, mut map: A) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
{
    let (mut seen, mut expected) = (0_u32, 0);
    let mut member: Option<&Field> = None;
    while let Some(found) = map.next_key_seed(NameSeed { message, expected })? {
        let Some(index) = found else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        let field = &message.fields[index];
        if seen & 1 << index != 0 {
            return Err(Error::custom(format!("\"{}\" is there twice", field.name)));
        }
        seen |= 1 << index;
        expected = index + 1;
        match map.next_value_seed(FieldSeed { field, depth, work }) {
            Ok(true) if field.cardinality == Cardinality::OneOf => {
                if let Some(other) = member.replace(field) {
                    let problem = format!("\"{}\" and \"{}\" exclude each other; send one", other.name, field.name);
                    return Err(Error::custom(problem));
                }
            }
            Ok(_) => {}
            Err(error) => {
                work.path.push(Step::Field(field.name));
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Reads a name and finds its field; `None` for one that no table knows.
struct NameSeed {
    message: &'static Message,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "a field of {}", self.message.name)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.message.find(name, self.expected))
    }
}

/// Reads a field's value, be it one or a list. Whether there was one.
struct FieldSeed<'w> {
    field: &'static Field,
    depth: usize,
    work: &'w mut Work,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        let Self { field, depth, work } = self;
        match field.cardinality {
            Cardinality::Many => deserializer.deserialize_any(ListVisitor { field, depth, work }),
            _ => ItemSeed { field, depth, keyed: true, work }.deserialize(deserializer),
        }
    }
}

/// Reads one value, after its key if `keyed`. Whether there was one.
struct ItemSeed<'w> {
    field: &'static Field,
    depth: usize,
    keyed: bool,
    work: &'w mut Work,
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        let Self { field, depth, keyed, work } = self;
        match field.kind {
            Kind::Message(message) => {
                deserializer.deserialize_any(MessageVisitor { message, number: Some(field.number), depth, work })
            }
            Kind::String | Kind::Bytes | Kind::Id | Kind::Bool => {
                deserializer.deserialize_any(TextVisitor { field, output: &mut work.output })
            }
            _ => number::read(field, keyed, &mut work.output, deserializer),
        }
    }
}

/// Reads a list. Whether there was one.
struct ListVisitor<'w> {
    field: &'static Field,
    depth: usize,
    work: &'w mut Work,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Self { field, depth, work } = self;
        let packed = field.kind.is_packed();
        let opened = packed.then(|| work.output.open(field.number)).transpose().map_err(Error::custom)?;
        for index in 0.. {
            let item = ItemSeed { field, depth, keyed: !packed, work };
            match list.next_element_seed(item) {
                Ok(Some(true)) => {}
                Ok(None) => break,
                failed => {
                    work.path.push(Step::Item(index));
                    return failed.and(Err(Error::custom("null is no item of a list; leave it out")));
                }
            }
        }
        if let Some(opened) = opened {
            work.output.close(opened);
        }
        Ok(true)
    }
}
