//! Remote write. Source: Prometheus Remote-Write 1.0 and 2.0 (rc.4) specifications.

use std::time::Duration;

use flyball_prompb::histogram::{BucketSpan, Count, Histogram, ZeroCount};
use flyball_prompb::v2;
use flyball_tests::http::Answer;
use flyball_tests::remote_write::{self, snappy};
use flyball_tests::time::now_nanos;
use prost::Message;

use super::account::Tally;
use super::case::{Case, Expected, Protocol, Request, Verdict};
use super::content::METRIC;

const PATH: &str = "/api/v1/write";
const VERSION_2: (&str, &str) = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
const SNAPPY: (&str, &str) = ("content-encoding", "snappy");
const NOTHING: Option<[u64; 3]> = Some([0; 3]);

/// The metric of all histograms.
pub(super) const HISTOGRAM: &str = "book_latency";

/// Why an exemplar is not kept.
const LOST_EXEMPLAR: &str = "bad_exemplar";

/// The headers of what was written.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// In a sample's place: too old for any history.
const OLD: i64 = 1;

fn now() -> i64 {
    i64::try_from(now_nanos() / 1_000_000).expect("milliseconds of this age")
}

pub(super) fn cases(body_bytes_max: usize) -> Vec<Case> {
    let mut cases = version_1(body_bytes_max);
    cases.extend(version_2(body_bytes_max));
    cases
}

fn version_1(body_bytes_max: usize) -> Vec<Case> {
    let protocol = Protocol::RemoteWrite1;
    let send = |headers: &[_], body: Vec<u8>| Request { path: PATH.to_owned(), headers: headers.to_vec(), body };
    let written = |rule, number: u64, good, old| case_1(rule, &format!("write-1-{number}"), good, old);
    let refused = |rule, headers: &[_], body: &[u8], status, reason| Case {
        rule,
        protocol,
        id: "write-1".to_owned(),
        request: send(headers, body.to_vec()),
        expected: Expected::Refused(status),
        tally: Tally::refused(reason),
        written: None,
        rows: 0,
    };
    let json = [("content-type", "application/json"), SNAPPY];
    let gzip = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
    let large = vec![0; body_bytes_max + 1];
    vec![
        written("1.0 Retries & Backoff: 2xx when it is written", 0, 3, 0),
        written("1.0 Labels: 400 for invalid samples, and the others are written", 1, 2, 3),
        written("1.0 Labels: 400 if all are invalid", 2, 0, 3),
        written("1.0 Backward compatibility: an empty request asks for the version", 3, 0, 0),
        refused("1.0 Retries & Backoff: 400 is for good", remote_write::HEADERS, b"noise", 400, "malformed"),
        refused("1.0 Retries & Backoff: 400 is for good", remote_write::HEADERS, &snappy(&[10, 50]), 400, "malformed"),
        refused("1.0 Retries & Backoff: 413 is for good", remote_write::HEADERS, &large, 413, "body_too_large"),
        refused("1.0 Protocol: another type is 415", &json, b"{}", 415, "content_type"),
        refused("1.0 Protocol: another encoding is 415", &gzip, b"", 415, "content_encoding"),
    ]
}

/// A request of version 1.0 with so many good samples and so many that are too old.
pub(super) fn case_1(rule: &'static str, id: &str, good: u64, old: u64) -> Case {
    let series = |index: u64| {
        let labels = [("__name__", METRIC), ("n", &index.to_string()), ("service_name", id)];
        remote_write::series(&labels, if index < good { now() } else { OLD }, 1.0)
    };
    let body = remote_write::body((0..good + old).map(series).collect());
    Case {
        rule,
        protocol: Protocol::RemoteWrite1,
        id: id.to_owned(),
        request: Request { path: PATH.to_owned(), headers: remote_write::HEADERS.to_vec(), body },
        expected: if old > 0 { Expected::Partial(old, "too_old") } else { Expected::Whole },
        tally: Tally::stored(good).and_rejected("too_old", old),
        written: None,
        rows: good,
    }
}

/// How many of which kind are in a request of version 2.0.
#[derive(Debug, Clone, Copy, Default)]
struct Pieces {
    samples: u64,
    old: u64,
    histograms: u64,
    exemplars: u64,
    /// Of a time so old that they are not kept.
    bad_exemplars: u64,
}

impl Pieces {
    fn message(self, id: &str) -> v2::Request {
        let symbols = ["", "__name__", METRIC, HISTOGRAM, "service_name", id].map(Into::into);
        let mut request = v2::Request { symbols: symbols.to_vec(), timeseries: Vec::new() };
        let sample = |timestamp| v2::Sample { value: 1.0, timestamp, start_timestamp: 0 };
        let exemplar = |timestamp| v2::Exemplar { labels_refs: Vec::new(), value: 1.0, timestamp };
        let now = now();
        let times = |good: u64, old: u64| {
            let good = (0..good.cast_signed()).map(|number| now - number);
            good.chain((0..old.cast_signed()).map(|number| OLD + number))
        };
        let samples: Vec<_> = times(self.samples, self.old).map(sample).collect();
        let exemplars: Vec<_> = times(self.exemplars, self.bad_exemplars).map(exemplar).collect();
        if !samples.is_empty() || !exemplars.is_empty() {
            let labels_refs = vec![1, 2, 4, 5];
            request.timeseries.push(v2::TimeSeries { labels_refs, samples, exemplars, ..Default::default() });
        }
        if self.histograms > 0 {
            let histograms = times(self.histograms, 0).map(|timestamp| Histogram {
                count: Some(Count::Int(3)),
                sum: 1.5,
                zero_count: Some(ZeroCount::Int(1)),
                positive_spans: vec![BucketSpan { offset: 0, length: 1 }],
                positive_deltas: vec![2],
                timestamp,
                ..Histogram::default()
            });
            let (labels_refs, histograms) = (vec![1, 3, 4, 5], histograms.collect());
            request.timeseries.push(v2::TimeSeries { labels_refs, histograms, ..Default::default() });
        }
        request
    }

    fn case(self, rule: &'static str, number: u64) -> Case {
        let Self { samples, old, histograms, exemplars, bad_exemplars } = self;
        let id = format!("write-2-{number}");
        let body = snappy(&self.message(&id).encode_to_vec());
        let expected = match (old, bad_exemplars) {
            (0, 0) => Expected::Whole,
            (0, bad) => Expected::Partial(bad, LOST_EXEMPLAR),
            (old, _) => Expected::Partial(old, "too_old"),
        };
        Case {
            rule,
            protocol: Protocol::RemoteWrite2,
            id,
            request: Request { path: PATH.to_owned(), headers: vec![VERSION_2, SNAPPY], body },
            expected,
            // Exemplars belong to their samples and are not counted.
            tally: Tally::stored(samples + histograms).and_rejected("too_old", old),
            written: Some([samples, histograms, exemplars]),
            rows: samples,
        }
    }
}

fn version_2(body_bytes_max: usize) -> Vec<Case> {
    let refused = |rule, headers: &[_], body: &[u8], status, reason, written| Case {
        rule,
        protocol: Protocol::RemoteWrite2,
        id: "write-2".to_owned(),
        request: Request { path: PATH.to_owned(), headers: headers.to_vec(), body: body.to_vec() },
        expected: Expected::Refused(status),
        tally: Tally::refused(reason),
        written,
        rows: 0,
    };
    let spoken = [VERSION_2, SNAPPY];
    let version_3 = [("content-type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"), SNAPPY];
    let gzip = [VERSION_2, ("content-encoding", "gzip")];
    let none = Pieces::default();
    // The table of symbols must begin with the empty one.
    let symbols = v2::Request { symbols: vec![b"up".to_vec()], timeseries: vec![v2::TimeSeries::default()] };
    let large = vec![0; body_bytes_max + 1];
    vec![
        Pieces { samples: 3, histograms: 1, exemplars: 1, ..none }.case("2.0 Response: 204 and what is written", 0),
        Pieces { samples: 2, old: 3, histograms: 1, ..none }.case("2.0 Partial Write: 400 and what is written", 1),
        Pieces { old: 3, ..none }.case("2.0 Partial Write: nothing is written", 2),
        Pieces { samples: 2, exemplars: 1, bad_exemplars: 1, ..none }
            .case("2.0 Response: not 2xx if exemplars were not written", 3),
        none.case("2.0 Required Written Headers: of an empty request", 4),
        refused("2.0 Required Written Headers: of noise", &spoken, b"noise", 400, "malformed", NOTHING),
        refused(
            "2.0 Symbols: the first is empty",
            &spoken,
            &snappy(&symbols.encode_to_vec()),
            400,
            "malformed",
            NOTHING,
        ),
        refused("2.0 Required Written Headers: too large", &spoken, &large, 413, "body_too_large", NOTHING),
        refused("2.0 Content-Type: another message is 415", &version_3, b"", 415, "content_type", None),
        refused("2.0 Content-Encoding: another one is 415", &gzip, b"", 415, "content_encoding", None),
    ]
}

/// What an answer says. `written` is what must be written if the request is looked into.
#[track_caller]
pub(super) fn read(what: &str, written: Option<[u64; 3]>, answer: &Answer) -> Verdict {
    assert_eq!(answer.header("x-prometheus-remote-write-version"), "2.0.0", "{what}: the highest version");
    let after = answer.header("retry-after").parse().ok().map(Duration::from_secs);
    assert_eq!(after.is_some(), answer.status == 503, "{what}: {} and Retry-After {after:?}", answer.status);
    assert!(matches!(answer.status, 204 | 400 | 413 | 415 | 503), "{what}: {}: {}", answer.status, answer.text());
    let said = answer.text();
    assert_eq!(said.is_empty(), answer.status == 204, "{what}: an error says why: {said}");
    let promised = if answer.status == 503 { written.and(NOTHING) } else { written };
    let promised = promised.map_or([const { String::new() }; 3], |counts| counts.map(|count| count.to_string()));
    assert_eq!(WRITTEN.map(|name| answer.header(name)), promised.each_ref().map(String::as_str), "{what}: {said}");
    match (answer.status, after, partial(&said)) {
        (code, Some(after), _) => Verdict::NotNow { code, after },
        (204, ..) => Verdict::Taken { refused: 0, said },
        (400, _, Some(refused)) => Verdict::Taken { refused, said },
        (code, ..) => Verdict::Refused(code),
    }
}

/// `3 points: too_old: …`
fn partial(said: &str) -> Option<u64> {
    let (count, rest) = said.split_once(' ')?;
    rest.starts_with("point").then(|| count.parse().ok())?
}
