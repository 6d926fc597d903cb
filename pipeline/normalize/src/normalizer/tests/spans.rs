use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt32Type};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event, span::Link};

use super::*;

fn span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET /a".into(),
        start_time_unix_nano: NOW_NANOS - 1_500_000,
        end_time_unix_nano: NOW_NANOS,
        ..Default::default()
    }
}

fn send(bench: &Bench, pairs: &[(&str, &str)], spans: Vec<Span>) -> Normalized {
    let scope = Some(InstrumentationScope { name: "lib".into(), version: "1".into(), ..Default::default() });
    let resource_spans = vec![ResourceSpans {
        resource: Some(Resource { attributes: attributes(pairs), ..Default::default() }),
        scope_spans: vec![ScopeSpans { scope, spans, ..Default::default() }],
        ..Default::default()
    }];
    bench.take(Format::Otlp(Signal::Traces), &ExportTraceServiceRequest { resource_spans }.encode_to_vec())
}

fn batch(normalized: &Normalized) -> &RecordBatch {
    normalized.of(RowKind::Spans).expect("spans").batch()
}

/// A text column, `-` for null.
fn texts(column: &ArrayRef) -> Vec<&str> {
    column.as_string::<i32>().iter().map(|text| text.unwrap_or("-")).collect()
}

fn numbers(column: &ArrayRef) -> &[u32] {
    column.as_primitive::<UInt32Type>().values()
}

/// Times in nanoseconds after [`NOW`].
fn times(column: &ArrayRef) -> Vec<i64> {
    column.as_primitive::<TimestampNanosecondType>().values().iter().map(|time| time - NOW.0).collect()
}

/// The first map of a column, as `name=value` in its order.
fn first_map(column: &ArrayRef) -> Vec<String> {
    let entries = column.as_map().value(0);
    let pairs = texts(entries.column(0)).into_iter().zip(texts(entries.column(1)));
    pairs.map(|(name, value)| format!("{name}={value}")).collect()
}

fn field<'s>(parts: &'s StructArray, name: &str) -> &'s ArrayRef {
    parts.column_by_name(name).expect("a field of the struct")
}

#[test]
fn a_span_keeps_all_it_says() {
    let full = Span {
        trace_id: (0..16).collect(),
        trace_state: "vendor=1".into(),
        parent_span_id: vec![0xab; 8],
        flags: 0x301,
        kind: 2,
        attributes: attributes(&[("http.route", "/a"), ("code", "500")]),
        dropped_attributes_count: 1,
        events: vec![Event {
            time_unix_nano: NOW_NANOS - 7,
            name: "exception".into(),
            attributes: attributes(&[("exception.type", "E")]),
            dropped_attributes_count: 2,
        }],
        dropped_events_count: 3,
        links: vec![Link {
            trace_id: vec![3; 16],
            span_id: vec![4; 8],
            trace_state: "s=2".into(),
            attributes: attributes(&[("why", "batch")]),
            dropped_attributes_count: 4,
            flags: 1,
        }],
        dropped_links_count: 5,
        status: Some(Status { message: "no luck".into(), code: 2 }),
        ..span()
    };
    let bench = Bench::default();
    let normalized = send(&bench, &[("service.name", "shop")], vec![full]);
    assert_eq!((normalized.count(), refused(&normalized)), (1, BTreeMap::new()));
    let batch = batch(&normalized);
    assert_eq!(bench.series(SeriesRef(numbers(&batch["series"])[0])), r#"spans{service_name="shop"}"#);
    assert_eq!(times(&batch["time"]), [-1_500_000]);
    assert_eq!(batch["duration"].as_primitive::<Float64Type>().value(0), 0.0015);
    for (column, expected) in [
        ("name", "GET /a"),
        ("kind", "server"),
        ("status", "error"),
        ("status_message", "no luck"),
        ("trace_id", "000102030405060708090a0b0c0d0e0f"),
        ("span_id", "0202020202020202"),
        ("parent_span_id", "abababababababab"),
        ("trace_state", "vendor=1"),
    ] {
        assert_eq!(texts(&batch[column]), [expected], "{column}");
    }
    for (column, expected) in
        [("flags", 0x301), ("dropped_attributes_count", 1), ("dropped_events_count", 3), ("dropped_links_count", 5)]
    {
        assert_eq!(numbers(&batch[column]), [expected], "{column}");
    }
    let own = ["http.route=/a", "code=500", "otel.scope.name=lib", "otel.scope.version=1"];
    assert_eq!(first_map(&batch["attributes"]), own);
    let events = batch["events"].as_list::<i32>().value(0);
    let event = events.as_struct();
    assert_eq!((times(field(event, "time")), texts(field(event, "name"))), (vec![-7], vec!["exception"]));
    assert_eq!(first_map(field(event, "attributes")), ["exception.type=E"]);
    assert_eq!(numbers(field(event, "dropped_attributes_count")), [2]);
    let links = batch["links"].as_list::<i32>().value(0);
    let link = links.as_struct();
    assert_eq!(texts(field(link, "trace_id")), ["03".repeat(16)]);
    assert_eq!(texts(field(link, "span_id")), ["04".repeat(8)]);
    assert_eq!((texts(field(link, "trace_state")), numbers(field(link, "flags"))), (vec!["s=2"], &[1][..]));
    assert_eq!(first_map(field(link, "attributes")), ["why=batch"]);
    assert_eq!(numbers(field(link, "dropped_attributes_count")), [4]);
}

#[test]
fn events_and_links_stay_with_their_span() {
    let events = |names: &[&str]| Span {
        events: names
            .iter()
            .map(|name| Event { name: (*name).into(), attributes: attributes(&[("of", name)]), ..Default::default() })
            .collect(),
        links: names.iter().map(|_| Link::default()).collect(),
        ..span()
    };
    let bad = Span { events: vec![Event { attributes: attributes(&[("", "1")]), ..Default::default() }], ..span() };
    let spans = vec![events(&["a", "b"]), events(&[]), bad, events(&["c"])];
    let normalized = send(&Bench::default(), &[], spans);
    assert_eq!(refused(&normalized), [(Reason::EmptyLabelName, 1)].into());
    let lists = batch(&normalized)["events"].as_list::<i32>();
    assert_eq!(lists.value_offsets(), [0, 2, 2, 3]);
    let events = lists.values().as_struct();
    assert_eq!(texts(field(events, "name")), ["a", "b", "c"]);
    // An event without a time has that of its span.
    assert_eq!(times(field(events, "time")), [-1_500_000; 3]);
    let links = batch(&normalized)["links"].as_list::<i32>();
    assert_eq!(links.value_offsets(), [0, 2, 2, 3]);
    assert_eq!(texts(field(links.values().as_struct(), "trace_id")), ["-"; 3]);
}

#[test]
fn odd_times_are_kept() {
    for (start, end, time, duration, warned) in [
        (-5, 0, -5, 5e-9, false),
        // Long spans are exact to the nanosecond.
        (-86_400_000_000_001, -1, -86_400_000_000_001, 86_400.0, false),
        (-5, i64::MIN, -5, 0.0, false),
        (i64::MIN, -5, -5, 0.0, false),
        (i64::MIN, i64::MIN, 0, 0.0, false),
        (-5, -6, -5, 0.0, true),
    ] {
        // The lowest number stands for a time that is not known.
        let nanos = |offset: i64| if offset == i64::MIN { 0 } else { NOW_NANOS.saturating_add_signed(offset) };
        let odd = Span { start_time_unix_nano: nanos(start), end_time_unix_nano: nanos(end), ..span() };
        let normalized = send(&Bench::default(), &[], vec![odd]);
        let batch = batch(&normalized);
        let stored = (times(&batch["time"])[0], batch["duration"].as_primitive::<Float64Type>().value(0));
        assert_eq!(stored, (time, duration), "{start} {end}");
        let warnings: Vec<_> = normalized.warnings.iter().map(|warning| (warning.reason, warning.points)).collect();
        assert_eq!(warnings, if warned { vec![(Reason::EndBeforeStart, 1)] } else { vec![] });
    }
}

#[test]
fn odd_ids_and_numbers_are_none() {
    let odd = Span {
        trace_id: vec![1; 15],
        span_id: vec![0; 8],
        parent_span_id: vec![1; 16],
        kind: 99,
        status: Some(Status { code: -1, ..Default::default() }),
        ..span()
    };
    let normalized = send(&Bench::default(), &[], vec![odd, Span::default()]);
    let batch = batch(&normalized);
    for column in ["trace_id", "span_id", "parent_span_id", "status_message", "trace_state"] {
        assert_eq!(texts(&batch[column]), ["-"; 2], "{column}");
    }
    assert_eq!((texts(&batch["kind"]), texts(&batch["status"])), (vec!["unspecified"; 2], vec!["unset"; 2]));
    assert_eq!(texts(&batch["name"]), ["GET /a", ""]);
    assert_eq!(batch["name"].null_count(), 0);
}

#[test]
fn bad_spans_are_refused_each_for_its_reason_and_the_good_ones_kept() {
    let twice = || attributes(&[("k", "1"), ("k", "2")]);
    for (bad, reason, words) in [
        (Span { start_time_unix_nano: 1, ..span() }, Reason::TooOld, "span \"GET /a\": the time 1970"),
        (Span { end_time_unix_nano: u64::MAX, ..span() }, Reason::TooFarInFuture, "18446744073709551615 ns is after"),
        (Span { start_time_unix_nano: u64::MAX, ..span() }, Reason::TooFarInFuture, "is after"),
        (Span { attributes: twice(), ..span() }, Reason::DuplicateLabel, "\"k\""),
        (
            Span { events: vec![Event { attributes: twice(), ..Default::default() }], ..span() },
            Reason::DuplicateLabel,
            "\"k\"",
        ),
        (
            Span { links: vec![Link { attributes: twice(), ..Default::default() }], ..span() },
            Reason::DuplicateLabel,
            "\"k\"",
        ),
        (
            Span { events: vec![Event::default(); 1 << 16], links: vec![Link::default()], ..span() },
            Reason::TooManyLabels,
            "more than 65536 attributes, events and links",
        ),
    ] {
        let normalized = send(&Bench::default(), &[], vec![bad, span()]);
        assert_eq!((normalized.count(), refused(&normalized)), (1, [(reason, 1)].into()), "{words}");
        assert!(normalized.rejections[0].detail.contains(words), "{:?}", normalized.rejections);
    }
}

#[test]
fn text_of_a_span_that_is_not_utf8_costs_its_own_span_only() {
    let event = Event { name: "event".into(), ..Default::default() };
    let link = Link { trace_state: "links".into(), ..Default::default() };
    let fields = Span {
        trace_state: "state".into(),
        status: Some(Status { message: "message".into(), code: 1 }),
        attributes: attributes(&[("key", "value")]),
        events: vec![event],
        links: vec![link],
        ..span()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![fields, span()], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    let good = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    for find in ["GET", "state", "message", "key", "value", "event", "links"] {
        let mut bad = good.clone();
        let at = bad.windows(find.len()).position(|window| window == find.as_bytes()).expect("it is in there");
        bad[at] = 0xff;
        let normalized = Bench::default().take(Format::Otlp(Signal::Traces), &bad);
        assert_eq!((normalized.count(), refused(&normalized)), (1, [(Reason::NotUtf8, 1)].into()), "{find}");
    }
}

#[test]
fn a_bad_resource_or_scope_refuses_each_of_its_spans() {
    let bench = Bench::new(Limits { labels: 1, ..Limits::default() });
    assert_eq!(refused(&send(&bench, &[("a", "1"), ("b", "2")], vec![span(); 2])), [(Reason::TooManyLabels, 2)].into());
    let scope = Some(InstrumentationScope { attributes: attributes(&[("", "1")]), ..Default::default() });
    let scope_spans = vec![
        ScopeSpans { scope, spans: vec![span(); 2], ..Default::default() },
        ScopeSpans { spans: vec![span()], ..Default::default() },
    ];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let normalized = bench.take(Format::Otlp(Signal::Traces), &body);
    assert_eq!((normalized.count(), refused(&normalized)), (1, [(Reason::EmptyLabelName, 2)].into()));
}

#[test]
fn spans_with_their_events_and_links_are_bounded() {
    let mut bench = Bench::default();
    bench.normalizer.bounds = Bounds { points: 3, records: 6, text_bytes: 1000, ..BOUNDS };
    let take = |spans: Vec<Span>| {
        let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
        let request =
            ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] };
        let format = Format::Otlp(Signal::Traces);
        bench.normalizer.normalize(format, &request.encode_to_vec(), None, NOW).map(|taken| taken.count())
    };
    let eventful = Span { events: vec![Event::default(); 2], links: vec![Link::default(); 2], ..span() };
    assert_eq!(take(vec![span(); 3]), Ok(3));
    assert_eq!(take(vec![eventful.clone()]), Ok(1));
    let too_many = Err(DecodeError::TooMany { what: "records", max: 6 });
    assert_eq!((take(vec![span(); 4]), take(vec![eventful, span()])), (too_many.clone(), too_many));
    let wordy = Event { name: "x".repeat(950), ..Default::default() };
    assert!(
        take(vec![Span { events: vec![wordy], ..span() }])
            .is_err_and(|error| error.to_string().contains("bytes of text"))
    );
}
