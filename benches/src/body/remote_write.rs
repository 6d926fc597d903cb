//! Prometheus remote write 1.0.

use super::Tick;
use super::wire::{self, double, message, text};
use crate::series::{Series, metric, value};

/// One sample of each of these series, each with all its labels.
pub(super) fn body(numbers: &[usize], tick: &Tick) -> Vec<u8> {
    let mut out = Vec::with_capacity(numbers.len() * 256);
    for &number in numbers {
        message(&mut out, 1, |out| time_series(out, number, tick));
    }
    out
}

fn time_series(out: &mut Vec<u8>, number: usize, tick: &Tick) {
    let series = Series::new(number);
    let name = metric(series.metric);
    let mut labels: Vec<_> = [("__name__", name.as_str())].into_iter().chain(series.labels()).collect();
    tick.arrange(number, &mut labels);
    for (name, value) in labels {
        message(out, 1, |out| {
            text(out, 1, name);
            text(out, 2, value);
        });
    }
    message(out, 2, |out| {
        double(out, 1, value(number, tick.round));
        wire::number(out, 2, tick.at_millis as u64);
    });
}

#[cfg(test)]
mod tests {
    use flyball_prompb::v1::{Label, Sample, WriteRequest};
    use prost::Message;

    use super::*;

    #[test]
    fn a_body_decodes_to_its_samples() {
        let mut tick = Tick { round: 2, at_millis: 1_700_000_000_000, shuffle_labels: false };
        let [sorted, shuffled] = [false, true].map(|shuffle_labels| {
            tick.shuffle_labels = shuffle_labels;
            WriteRequest::decode(body(&[5, 6, 7], &tick).as_slice()).expect("protobuf").timeseries
        });
        assert_eq!(sorted.len(), 3);
        assert_eq!(sorted[1].samples, [Sample { value: value(6, 2), timestamp: 1_700_000_000_000 }]);
        let names = |labels: &[Label]| labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>();
        assert!(names(&sorted[1].labels).is_sorted());
        assert_eq!(names(&sorted[1].labels)[0], b"__name__");
        assert_eq!(sorted[1].labels[0].value, b"bench_node_reading_0");
        let mut again = names(&shuffled[1].labels);
        assert_ne!(again, names(&sorted[1].labels));
        again.sort_unstable();
        assert_eq!(again, names(&sorted[1].labels));
    }
}
