use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt32Type};

use super::*;

/// Exemplars as text: series, nanoseconds after now, value, trace, span, attributes.
fn exemplars(bench: &Bench, normalized: &Normalized) -> Vec<String> {
    let Some(rows) = normalized.rows.iter().find(|rows| rows.kind() == RowKind::Exemplars) else { return Vec::new() };
    let column = |name: &str| rows.batch().column_by_name(name).expect("a column").clone();
    let (series, time, value) = (column("series"), column("time"), column("value"));
    let (trace, span, attributes) = (column("trace_id"), column("span_id"), column("attributes"));
    let text = |column: &dyn Array, row: usize| {
        let texts = column.as_string::<i32>();
        if texts.is_null(row) { "-".to_owned() } else { texts.value(row).to_owned() }
    };
    (0..rows.len())
        .map(|row| {
            let entries = attributes.as_map().value(row);
            let pairs: Vec<_> = (0..entries.len())
                .map(|pair| format!("{}={}", text(entries.column(0), pair), text(entries.column(1), pair)))
                .collect();
            let after = time.as_primitive::<TimestampNanosecondType>().value(row) - NOW.0;
            let number = series.as_primitive::<UInt32Type>().value(row);
            let value = value.as_primitive::<Float64Type>().value(row);
            let name = bench.series(SeriesRef(number));
            format!("{name} {after} {value} {} {} {}", text(&trace, row), text(&span, row), pairs.join(","))
        })
        .collect()
}

const TRACE: &str = "0AF7651916cd43dd8448eb211c80319c";

/// Sends the exemplars of one series both ways, and checks what is kept and how many are lost.
fn check(series: &Sent, expected: &[&str], lost: u64) {
    let bench = Bench::default();
    let normalized = bench.remote_write2(std::slice::from_ref(series));
    assert_eq!(exemplars(&bench, &normalized), expected);
    assert_eq!(written(&normalized)[2], expected.len() as u64);
    let label =
        |(name, value): &(String, String)| prompb::Label { name: name.clone().into(), value: value.clone().into() };
    let timeseries = vec![prompb::TimeSeries {
        labels: series.labels.iter().map(label).collect(),
        samples: series.samples.iter().map(|&(at, value)| prompb::Sample { value, timestamp: NOW_MS + at }).collect(),
        exemplars: (series.exemplars.iter())
            .map(|(labels, after, value)| prompb::Exemplar {
                labels: labels.iter().map(label).collect(),
                value: *value,
                timestamp: after.map_or(0, |after| NOW_MS + after),
            })
            .collect(),
        ..Default::default()
    }];
    let old = bench.remote_write(&prompb::WriteRequest { timeseries, ..Default::default() });
    assert_eq!(exemplars(&bench, &old), expected, "version 1.0");
    for normalized in [normalized, old] {
        assert_eq!(warned(&normalized).get(&Reason::BadExemplar).copied().unwrap_or_default(), lost);
        assert_eq!(normalized.count(), series.samples.len() as u64 - refused(&normalized).values().sum::<u64>());
    }
}

#[test]
fn exemplars_keep_their_ids_and_attributes() {
    let m = || Sent::new(&[("__name__", "m"), ("a", "1")]).sample(-5, 1.0);
    let ids = [("trace_id", TRACE), ("span_id", "b7ad6b7169203331"), ("user", "u")];
    let kept = r#"m{a="1"} -7000000 2.5 0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 user=u"#;
    check(&m().exemplar(&ids, Some(-7), 2.5), &[kept], 0);
    let words = [("trace_id", "abc123"), ("span_id", TRACE)];
    let as_words = format!(r#"m{{a="1"}} 0 1 - - trace_id=abc123,span_id={TRACE}"#);
    check(&m().exemplar(&words, Some(0), 1.0), &[&as_words], 0);
    check(&m().exemplar(&[], Some(0), f64::NAN), &[r#"m{a="1"} 0 NaN - - "#], 0);
}

#[test]
fn an_exemplar_without_a_time_gets_that_of_the_newest_point() {
    let m = Sent::new(&[("__name__", "m")]).sample(-9, 1.0).sample(-5, 1.0);
    check(&m.exemplar(&[], None, 1.0), &["m{} -5000000 1 - - "], 0);
    check(&Sent::new(&[("__name__", "m")]).exemplar(&[], None, 1.0), &["m{} 0 1 - - "], 0);
}

#[test]
fn bad_exemplars_are_left_out_and_their_points_stay() {
    let m = || Sent::new(&[("__name__", "m")]).sample(0, 1.0);
    let long = "x".repeat(5000);
    let many: Vec<_> = (0..65).map(|number| format!("l{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    check(&m().exemplar(&[], Some(3_600_000), 1.0).exemplar(&[], Some(1), 1.0), &["m{} 1000000 1 - - "], 1);
    check(&m().exemplar(&[("a", &long)], Some(0), 1.0), &[], 1);
    check(&m().exemplar(&many, Some(0), 1.0), &[], 1);
    check(&Sent::new(&[("a", "1")]).sample(0, 1.0).exemplar(&[], Some(0), 1.0), &[], 1);
}

#[test]
fn an_exemplar_with_bad_references_says_so() {
    let mut message = messages::message(&[Sent::new(&[("__name__", "m")]).sample(0, 1.0).exemplar(&[], Some(0), 1.0)]);
    message.timeseries[0].exemplars[0].labels_refs = vec![1, 77];
    let normalized = Bench::default().take(Format::RemoteWrite2, &message.encode_to_vec());
    assert_eq!((written(&normalized), warned(&normalized)), ([1, 0, 0], [(Reason::BadExemplar, 1)].into()));
    assert!(normalized.warnings[0].detail.contains("refers to a symbol beyond the table"), "{:?}", normalized.warnings);
}
