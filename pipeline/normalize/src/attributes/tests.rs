use flyball_decode::otlp::traces::resource_spans;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;

use super::*;
use crate::fault::Trouble;

/// A message whose resource has these attributes: one way to have their bytes.
fn body(names: &[String]) -> Vec<u8> {
    let value = |text: String| Some(proto::AnyValue { value: Some(proto::any_value::Value::StringValue(text)) });
    let attributes = names
        .iter()
        .enumerate()
        .map(|(number, name)| proto::KeyValue {
            key: name.clone(),
            value: value(number.to_string()),
            ..Default::default()
        })
        .collect();
    let resource = Some(Resource { attributes, ..Default::default() });
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, ..Default::default() }] }.encode_to_vec()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The names of each set, or what is wrong with it; all sets with one layout.
fn read_all(sets: &[Vec<String>]) -> Vec<Result<Vec<String>, String>> {
    let bodies: Vec<_> = sets.iter().map(|names| body(names)).collect();
    let (mut attributes, mut layout) = (Attributes::default(), Layout::default());
    let read = |body| {
        attributes.clear();
        let resource = resource_spans(body).next().expect("one resource").expect("valid");
        match attributes.read(&mut layout, resource.attributes()) {
            Ok(set) => {
                let pairs: Vec<_> = attributes.of(&set, ScopeAttributes::NONE).collect();
                assert_eq!(
                    attributes.bytes(),
                    pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
                );
                assert!(pairs.iter().enumerate().all(|(number, pair)| pair.1 == number.to_string()));
                Ok(pairs.iter().map(|pair| pair.0.to_owned()).collect())
            }
            Err(Trouble::Point(fault)) => Err(fault.to_string()),
            Err(Trouble::Body(error)) => panic!("{error}"),
        }
    };
    bodies.iter().map(Vec::as_slice).map(read).collect()
}

#[test]
fn sets_are_read_whatever_came_before_them() {
    let sets = [&["a", "b", "c"][..], &["a", "b", "c"], &["a", "b"], &["a", "c", "b"], &[], &["d", "a", "b", "c", "e"]];
    let sets = sets.map(names);
    assert_eq!(read_all(&sets), sets.map(Ok));
}

#[test]
fn a_name_that_comes_twice_is_found_whatever_came_before() {
    let many: Vec<_> = (0..100).map(|number| format!("name{number}")).collect();
    let twice = [&many[..], &many[70..71]].concat();
    let read = read_all(&[
        names(&["a", "b", "c"]),
        names(&["a", "b", "a"]),
        names(&["a", "b", "c", "b"]),
        many.clone(),
        twice,
        names(&["x", "x"]),
        names(&["a", "b", "c"]),
    ]);
    let shown: Vec<_> = read.iter().map(|read| read.as_ref().err().map(|fault| &fault[..12])).collect();
    assert_eq!(
        shown,
        [
            None,
            Some("label \"a\" co"),
            Some("label \"b\" co"),
            None,
            Some("label \"name7"),
            Some("label \"x\" co"),
            None
        ]
    );
}

#[test]
fn a_record_of_countless_attributes_is_refused() {
    let many: Vec<_> = (0..=RECORD_PARTS_MAX).map(|number| number.to_string()).collect();
    let read = read_all(&[many[1..].to_vec(), many]);
    assert!(read[0].is_ok());
    assert!(read[1].as_ref().is_err_and(|fault| fault.contains("more than 65536")), "{:?}", read[1].as_ref().err());
}

#[test]
fn a_scopes_attributes_yield_to_those_of_the_record() {
    let body = body(&names(&["otel.scope.name"]));
    let mut attributes = Attributes::default();
    let resource = resource_spans(&body).next().expect("one resource").expect("valid");
    let set = attributes.read(&mut Layout::default(), resource.attributes()).expect("one attribute");
    let mut scope = ScopeAttributes::default();
    for (name, value) in [("otel.scope.name", "lib"), ("otel.scope.version", "1"), ("otel.scope.version", "2")] {
        scope.add(name.to_owned(), value).expect("few of them");
    }
    let pairs: Vec<_> = attributes.of(&set, &scope).collect();
    assert_eq!(pairs, [("otel.scope.name", "0"), ("otel.scope.version", "1")]);
}
