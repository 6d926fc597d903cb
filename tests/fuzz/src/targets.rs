//! One function a target: what is done with the bytes that the fuzzer made up.

use bytes::Bytes;
use flyball_decode::otlp_json::to_protobuf;
use flyball_decode::{DecodeError, decompress as inflate};
use flyball_model::batch::is_stale;
use flyball_model::intake::{Context, Encoding, Format, Precision};
use flyball_model::ledger::Signal;
use flyball_normalize::Normalized;

use super::bench::{Bench, check, limits};
use super::invariants::check_error;

/// A target as a function of its input.
type Target = fn(&[u8]);

/// All targets by the names of their programs and of the folders of their corpora.
pub const TARGETS: [(&str, Target); 11] = [
    ("otlp_metrics", otlp_metrics),
    ("otlp_logs", otlp_logs),
    ("otlp_traces", otlp_traces),
    ("otlp_json", otlp_json),
    ("remote_write_1", remote_write_1),
    ("remote_write_2", remote_write_2),
    ("prometheus_text", prometheus_text),
    ("open_metrics", open_metrics),
    ("line_protocol", line_protocol),
    ("scaphandre", scaphandre),
    ("decompress", decompress),
];

/// More than inputs become, unless they are bombs.
const INFLATED_BYTES_MAX: usize = 1 << 18;

/// OTLP metrics in protobuf.
pub fn otlp_metrics(body: &[u8]) {
    check(Format::Otlp(Signal::Metrics), body, || None);
}

/// OTLP logs in protobuf.
pub fn otlp_logs(body: &[u8]) {
    check(Format::Otlp(Signal::Logs), body, || None);
}

/// OTLP traces in protobuf.
pub fn otlp_traces(body: &[u8]) {
    check(Format::Otlp(Signal::Traces), body, || None);
}

/// OTLP's JSON: the first byte is the signal (`m`, `l` or `t`), the rest the body.
pub fn otlp_json(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let signal = match first % 3 {
        0 => Signal::Logs,
        1 => Signal::Metrics,
        _ => Signal::Traces,
    };
    match to_protobuf(signal, body, limits().body_bytes) {
        Err(error) => check_error(body, &error),
        Ok(protobuf) => {
            assert!(protobuf.len() <= limits().body_bytes);
            check(Format::OtlpJson(signal), body, || None);
            let taken = Bench::new().take(Format::Otlp(signal), &protobuf, None, None);
            assert!(!matches!(taken, Err(DecodeError::Wire { .. })), "{taken:?}: what we write can be read");
            // Read once more with a limit that just fits, and one that does not.
            assert_eq!(to_protobuf(signal, body, protobuf.len()).as_ref(), Ok(&protobuf));
            if let Some(less) = protobuf.len().checked_sub(1) {
                assert!(matches!(to_protobuf(signal, body, less), Err(DecodeError::TooLarge { .. })));
            }
        }
    }
}

/// Remote write 1.0, without snappy.
pub fn remote_write_1(body: &[u8]) {
    check(Format::RemoteWrite1, body, || None);
}

/// Remote write 2.0, without snappy.
pub fn remote_write_2(body: &[u8]) {
    check(Format::RemoteWrite2, body, || None);
}

/// Prometheus' text: pushed, and scraped.
pub fn prometheus_text(body: &[u8]) {
    exposition(Format::PrometheusText, body, b"");
}

/// OpenMetrics: pushed, and scraped.
pub fn open_metrics(body: &[u8]) {
    exposition(Format::OpenMetrics, body, b"# EOF\n");
}

fn exposition(format: Format, body: &[u8], nothing: &[u8]) {
    check(format, body, || None);
    check(format, body, || Some(target(false)));
    let (bench, target) = (Bench::new(), target(true));
    let take = |body: &[u8]| bench.take(format, body, Some(&target), None);
    // The second scrape says the same, so that nothing ends; the third says nothing, so that all ends.
    if let (Ok(first), Ok(second)) = (take(body), take(body)) {
        let bits = |taken: &Normalized| -> Vec<_> {
            taken.points.iter().map(|(series, time, value)| (series, time, value.to_bits())).collect()
        };
        assert_eq!(bits(&first), bits(&second));
        let series = target.seen.lock().len();
        let third = take(nothing).expect("an empty body is well formed");
        assert_eq!(third.points.len(), series);
        assert!(third.points.values().iter().copied().all(is_stale));
    }
}

/// What a scraper knows of its target; the labels are ones that exporters have as well.
fn target(honor_labels: bool) -> Context {
    let labels = [("instance", "localhost:9100"), ("job", "node")];
    Context {
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        honor_labels,
        complete: true,
        ..Context::default()
    }
}

/// Line protocol: nanoseconds and the good lines kept, and a guessed precision and all or nothing.
pub fn line_protocol(body: &[u8]) {
    check(Format::LineProtocol { precision: Precision::Nanoseconds, whole: false }, body, || None);
    let database = || Context { labels: vec![("db".to_owned(), "telegraf".to_owned())], ..Context::default() };
    check(Format::LineProtocol { precision: Precision::Auto, whole: true }, body, || Some(database()));
}

/// Scaphandre's JSON.
pub fn scaphandre(body: &[u8]) {
    check(Format::Scaphandre, body, || None);
}

/// Both compressions, of a body that is meant to be either.
pub fn decompress(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    for encoding in [Encoding::Gzip, Encoding::Snappy] {
        match inflate(encoding, &body, INFLATED_BYTES_MAX) {
            Err(error) => check_error(&body, &error),
            Ok(inflated) => {
                assert!(inflated.len() <= INFLATED_BYTES_MAX);
                assert_eq!(inflate(encoding, &body, inflated.len()).as_ref(), Ok(&inflated));
                if let Some(less) = inflated.len().checked_sub(1) {
                    let error = DecodeError::TooLarge { max: less, compressed: true };
                    assert_eq!(inflate(encoding, &body, less), Err(error));
                }
            }
        }
    }
}
