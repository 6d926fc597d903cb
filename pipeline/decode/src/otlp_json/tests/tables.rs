//! The tables against their source: the descriptors of the `.proto` files.

use std::collections::BTreeMap;

use opentelemetry_proto::DESCRIPTORS;

use super::*;
use crate::otlp_json::schema::{Cardinality, FIELDS_MAX, Field, Kind};
use crate::wire::Slice;

/// A field as a line: name, number, type, cardinality.
fn line(field: &Field) -> String {
    let kind = match field.kind {
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::Id => "id".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Enum(names) => format!("enum {}", names.join(" ")),
        Kind::Message(message) => format!("message {}", message.name),
    };
    let cardinality = match field.cardinality {
        Cardinality::One => "one",
        Cardinality::OneOf => "oneof",
        Cardinality::Many => "many",
    };
    format!("{} = {}: {kind}, {cardinality}", field.name, field.number)
}

/// The messages that a request can have in it, by name, as lines sorted by field number.
fn tables(request: &'static Message, found: &mut BTreeMap<String, Vec<String>>) {
    let mut fields: Vec<&Field> = request.fields.iter().collect();
    fields.sort_by_key(|field| field.number);
    if found.insert(request.name.to_owned(), fields.iter().map(|field| line(field)).collect()).is_some() {
        return;
    }
    assert!(fields.len() <= FIELDS_MAX, "{}", request.name);
    for field in fields {
        if let Kind::Message(message) = field.kind {
            tables(message, found);
        }
    }
}

/// Names of messages and their fields, all that a request of a signal can have in it.
pub(super) fn fields(signal: Signal) -> impl Iterator<Item = (String, String)> {
    let mut found = BTreeMap::new();
    tables(super::request(signal), &mut found);
    found.into_iter().flat_map(|(message, lines)| {
        let name = |line: String| line.split(' ').next().map_or_else(String::new, str::to_owned);
        lines.into_iter().map(move |line| (message.clone(), name(line)))
    })
}

/// A descriptor: its fields of one number, as bytes.
fn parts(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    let fields = Slice::body(message).fields("descriptor").map(|field| field.expect("valid"));
    fields.filter(move |field| field.number == number).map(|field| field.bytes().expect("length-delimited"))
}

fn text(message: &[u8], number: u32) -> &str {
    parts(message, number).next().map_or("", |bytes| std::str::from_utf8(bytes).expect("UTF-8"))
}

fn varint(message: &[u8], number: u32) -> Option<u64> {
    let mut fields = Slice::body(message).fields("descriptor").map(|field| field.expect("valid"));
    fields.find(|field| field.number == number).map(|field| field.varint().expect("a varint"))
}

/// Messages and enums of a file or a message (`google/protobuf/descriptor.proto`), by their full names. The numbers of
/// the fields that hold nested messages and enums differ between the two.
fn collect<'a>(scope: &str, holder: &'a [u8], nested: (u32, u32), found: &mut BTreeMap<String, &'a [u8]>) {
    for message in parts(holder, nested.0) {
        let name = format!("{scope}.{}", text(message, 1));
        collect(&name, message, (3, 4), found);
        found.insert(name, message);
    }
    for enumeration in parts(holder, nested.1) {
        found.insert(format!("{scope}.{}", text(enumeration, 1)), enumeration);
    }
}

/// `FieldDescriptorProto` as a line.
fn described(field: &[u8], all: &BTreeMap<String, &[u8]>) -> String {
    let name = text(field, 10);
    let type_name = text(field, 6);
    let kind = match varint(field, 5).expect("a type") {
        1 => "double".to_owned(),
        3 => "int64".to_owned(),
        4 => "uint64".to_owned(),
        5 => "int32".to_owned(),
        6 => "fixed64".to_owned(),
        7 => "fixed32".to_owned(),
        8 => "bool".to_owned(),
        9 => "string".to_owned(),
        11 => format!("message {}", type_name.rsplit('.').next().expect("a name")),
        // The specification's exception. It names two; the parent is a span's id like the others.
        12 if ["traceId", "spanId", "parentSpanId"].contains(&name) => "id".to_owned(),
        12 => "bytes".to_owned(),
        13 => "uint32".to_owned(),
        14 => {
            let values = parts(all[type_name], 2).enumerate().map(|(index, value)| {
                assert_eq!(varint(value, 2).unwrap_or(0), index as u64, "a name's place in the table is its number");
                text(value, 1)
            });
            format!("enum {}", values.collect::<Vec<_>>().join(" "))
        }
        16 => "sfixed64".to_owned(),
        17 => "sint32".to_owned(),
        other => panic!("{name} is of a type that no table knows: {other}"),
    };
    let proto3_optional = varint(field, 17) == Some(1);
    let cardinality = match (varint(field, 4), varint(field, 9)) {
        (Some(3), _) => "many",
        (_, Some(first)) if !proto3_optional => {
            assert_eq!(first, 0, "{name}: a second oneof in one message");
            "oneof"
        }
        _ => "one",
    };
    format!("{name} = {}: {kind}, {cardinality}", varint(field, 3).expect("a number"))
}

#[test]
fn the_tables_are_the_proto_files_field_by_field() {
    let mut all = BTreeMap::new();
    for file in parts(DESCRIPTORS, 1) {
        collect(&format!(".{}", text(file, 2)), file, (4, 5), &mut all);
    }
    let mut found = BTreeMap::new();
    for signal in [Signal::Metrics, Signal::Logs, Signal::Traces] {
        tables(super::request(signal), &mut found);
    }
    assert_eq!(found.len(), 34, "messages that requests can have in them");
    for (name, lines) in &found {
        let wanted = |full: &str| full.rsplit('.').next() == Some(name) && !full.contains("profiles");
        let mut matching = all.iter().filter(|(full, _)| wanted(full) && !full.contains("tracez"));
        let (full, descriptor) = matching.next().unwrap_or_else(|| panic!("{name} is no message"));
        assert!(matching.next().is_none(), "{name} is not unique");
        let mut fields: Vec<&[u8]> = parts(descriptor, 2).collect();
        fields.sort_by_key(|field| varint(field, 3));
        let described: Vec<String> = fields.into_iter().map(|field| described(field, &all)).collect();
        assert_eq!(lines, &described, "{full}");
    }
}
