use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::messages::{Table, message};
use super::*;

fn up(labels: &[(&str, &str)]) -> Sent {
    Sent::new(labels).sample(0, 1.0)
}

#[test]
fn a_known_series_is_found_whatever_the_numbers_and_order_of_its_symbols() {
    let bench = Bench::default();
    let name = r#"up{job="j",zone="z"}"#;
    let a = up(&[("__name__", "up"), ("job", "j"), ("zone", "z")]);
    let b = up(&[("zone", "z"), ("__name__", "up"), ("empty", ""), ("job", "j")]);
    let other = up(&[("__name__", "up"), ("job", "z"), ("zone", "j")]);
    for series in [vec![a.clone()], vec![other.clone(), a.clone()], vec![b.clone(), a.clone()], vec![b, other, a]] {
        let normalized = bench.remote_write2(&series);
        let found = bench.points(&normalized).into_iter().filter(|point| point.0 == name).count();
        assert_eq!(
            found,
            series.iter().filter(|sent| sent.labels.iter().any(|label| label.1 == "z" && label.0 == "zone")).count()
        );
    }
    assert_eq!(bench.registry.len(), 2);
}

#[test]
fn a_bad_reference_costs_its_series_and_no_other() {
    for (references, words) in [
        (&[1, 2, 3, 99][..], "metric \"bad\": a label refers to symbol 99, and the request has 6, counted from 0"),
        (&[99, 2], "a label refers to symbol 99"),
        (&[u32::MAX, 0], "a label refers to symbol 4294967295"),
        (&[1, 2, 3], "metric \"bad\": labels_refs has 3 references, and names and values come in pairs"),
    ] {
        let bench = Bench::default();
        let mut table = Table(vec![Vec::new()]);
        assert_eq!([table.reference("__name__"), table.reference("bad"), table.reference("job")], [1, 2, 3]);
        let good = [1, table.reference("good")];
        table.reference("another");
        let samples = vec![messages::proto::Sample { value: 1.0, timestamp: NOW_MS, start_timestamp: 0 }; 2];
        let series = |refs: &[u32]| messages::proto::TimeSeries {
            labels_refs: refs.to_vec(),
            samples: samples.clone(),
            ..Default::default()
        };
        let timeseries = vec![series(references), series(&good)];
        let body = messages::proto::Request { symbols: table.0, timeseries }.encode_to_vec();
        let normalized = bench.take(Format::RemoteWrite2, &body);
        assert_eq!(bench.points(&normalized), vec![("good{}".to_owned(), 0, 1.0); 2], "{words}");
        assert_eq!(refused(&normalized), [(Reason::BadSymbol, 2)].into(), "{words}");
        assert!(normalized.rejections[0].detail.contains(words), "{words}: {:?}", normalized.rejections);
    }
}

#[test]
fn a_table_that_does_not_begin_with_the_empty_text_is_refused_whole() {
    let mut message = message(&[up(&[("__name__", "up")])]);
    message.symbols[0] = b"up".to_vec();
    let error = Bench::default().normalizer.normalize(Format::RemoteWrite2, &message.encode_to_vec(), None, NOW);
    assert!(error.expect_err("refused").to_string().contains("the first symbol is \"up\""));
}

#[test]
fn references_without_end_are_refused_before_they_are_read() {
    let bench = Bench::new(Limits { labels: 3, ..Limits::default() });
    let many: Vec<_> = (0..1000).map(|number| (format!("l{number}"), "x".to_owned())).collect();
    let mut sent = up(&[("__name__", "m")]);
    sent.labels.extend(many);
    let normalized = bench.remote_write2(&[sent, up(&[("__name__", "m"), ("a", "1"), ("b", "2"), ("c", "3")])]);
    assert_eq!(refused(&normalized), [(Reason::TooManyLabels, 1)].into());
    assert!(normalized.rejections[0].detail.contains("1001 labels, the limit is 3"), "{:?}", normalized.rejections);
    assert_eq!(normalized.points.len(), 1);
}

#[test]
fn the_same_bytes_in_both_versions_are_not_taken_for_each_other() {
    let bench = Bench::default();
    let one = bench.remote_write2(&[up(&[("__name__", "up"), ("a", "1")])]);
    let two = bench.remote_write2(&[up(&[("__name__", "up"), ("a", "11")])]);
    let again = bench.remote_write2(&[up(&[("__name__", "up"), ("a", "1")])]);
    assert_eq!(bench.points(&one), bench.points(&again));
    assert_ne!(bench.points(&one), bench.points(&two));
}

fn label_sets() -> impl Strategy<Value = Vec<Vec<(String, String)>>> {
    let text = || prop_oneof!["[ab]{0,2}", "__name__", "[a-c.]{1,3}"];
    vec(vec((text(), text()), 0..5), 1..6)
}

proptest! {
    /// Version 1.0 reads the labels as they are: whatever it makes of them, version 2.0 makes too, the first time and by the cache.
    #[test]
    fn both_versions_give_the_same_points(sets in label_sets()) {
        let (first, second) = (Bench::default(), Bench::default());
        let sent: Vec<_> = sets
            .iter()
            .map(|labels| Sent { labels: labels.clone(), samples: vec![(0, 1.0)], ..Sent::default() })
            .collect();
        let label = |(name, value): &(String, String)| prompb::Label { name: name.clone().into(), value: value.clone().into() };
        let timeseries = sets.iter().map(|labels| prompb::TimeSeries {
            labels: labels.iter().map(label).collect(),
            samples: vec![prompb::Sample { value: 1.0, timestamp: NOW_MS }],
            ..Default::default()
        });
        let one = first.remote_write(&prompb::WriteRequest { timeseries: timeseries.collect(), ..Default::default() });
        for _ in 0..2 {
            let two = second.remote_write2(&sent);
            prop_assert_eq!(first.points(&one), second.points(&two));
            prop_assert_eq!(refused(&one), refused(&two));
            let details = |normalized: &Normalized| -> HashMap<Reason, String> {
                normalized.rejections.iter().map(|rejection| (rejection.reason, rejection.detail.clone())).collect()
            };
            prop_assert_eq!(details(&one), details(&two));
        }
    }
}
