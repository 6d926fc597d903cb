//! What a table says of a message: its fields' names in JSON, their numbers and types in protobuf.

/// A message type.
pub(super) struct Message {
    /// Its name in the `.proto` file.
    pub(super) name: &'static str,
    /// Its fields, in the order in which senders mostly write them. At most [`FIELDS_MAX`].
    pub(super) fields: &'static [Field],
    /// Whether it is a level of an AnyValue: an array or a map, the only messages that may contain themselves.
    pub(super) level: bool,
}

/// A bit for each field is kept while a message is read.
pub(super) const FIELDS_MAX: usize = u32::BITS as usize;

/// A field of a message.
pub(super) struct Field {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// Its number.
    pub(super) number: u32,
    /// Its type.
    pub(super) kind: Kind,
    /// How often it may be there.
    pub(super) cardinality: Cardinality,
}

/// How often a field may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cardinality {
    /// At most once.
    One,
    /// At most once, and not together with the other fields of the message's oneof. No message of OTLP has two of them.
    OneOf,
    /// Any number of times, as a list.
    Many,
}

/// A field's type, by the names of protobuf.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// UTF-8.
    String,
    /// Bytes, in base64.
    Bytes,
    /// Bytes, in hex digits: what OTLP makes of `traceId`, `spanId` and `parentSpanId`.
    Id,
    Bool,
    Double,
    Int32,
    Int64,
    Sint32,
    Uint32,
    Uint64,
    Fixed32,
    Fixed64,
    Sfixed64,
    /// An enum, with its names from 0 up.
    Enum(&'static [&'static str]),
    Message(&'static Message),
}

/// A field that may be there once.
pub(super) const fn one(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, cardinality: Cardinality::One }
}

/// A member of the message's oneof.
pub(super) const fn either(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, cardinality: Cardinality::OneOf }
}

/// A list.
pub(super) const fn many(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, cardinality: Cardinality::Many }
}

impl Message {
    /// The index of the field with this name. It is looked for at `expected` first: senders keep an order.
    pub(super) fn find(&self, name: &str, expected: usize) -> Option<usize> {
        let count = self.fields.len();
        debug_assert!(count <= FIELDS_MAX, "{} has more fields than there are bits for them", self.name);
        let mut places = (expected..count).chain(0..expected.min(count));
        let found = places.find(|&place| self.fields[place].name == name);
        if found.is_some() || !name.contains('_') {
            return found;
        }
        self.fields.iter().position(|field| is_original(name, field.name))
    }
}

/// Whether a name is the original (`trace_id`) of a name in JSON (`traceId`).
fn is_original(name: &str, json_name: &str) -> bool {
    let mut name = name.bytes();
    let same = json_name.bytes().all(|byte| match byte {
        b'A'..=b'Z' => name.next() == Some(b'_') && name.next() == Some(byte.to_ascii_lowercase()),
        _ => name.next() == Some(byte),
    });
    same && name.next().is_none()
}

impl Kind {
    /// Whether a list of it is one field with all values in a row ("packed").
    pub(super) const fn is_packed(self) -> bool {
        !matches!(self, Kind::String | Kind::Bytes | Kind::Id | Kind::Message(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static MESSAGE: Message =
        Message { name: "M", fields: &[one("key", 1, Kind::Bool), one("traceIdHigh", 2, Kind::Bool)], level: false };

    #[test]
    fn fields_are_found_by_both_names_and_by_no_other() {
        for expected in 0..4 {
            for (name, found) in [
                ("key", Some(0)),
                ("traceIdHigh", Some(1)),
                ("trace_id_high", Some(1)),
                ("", None),
                ("_", None),
                ("_key", None),
                ("key_", None),
                ("Key", None),
                ("trace_idHigh", None),
                ("trace_id__high", None),
                ("trace_id_highest", None),
                ("trace_id", None),
                ("trace_Id_High", None),
            ] {
                assert_eq!(MESSAGE.find(name, expected), found, "{name}");
            }
        }
    }
}
