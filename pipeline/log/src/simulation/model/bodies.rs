//! Bodies of any kind and size.

use flyball_model::intake::Written;
use flyball_model::ledger::{Entry, Outcome, Reason, Signal};
use flyball_model::rows::{LogBuilder, LogRecord, TextBuilder};
use flyball_model::{PointBatch, Rows, SeriesRef, UnixNanos};
use proptest::prelude::*;

use crate::{Body, NewBody, NewRecord, PointRun, Told};

/// What a body is made of. With its number it is the same bytes each time.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    points: u64,
    runs: u64,
    logs: u64,
    texts: u64,
    starts: u64,
    totals_bytes: usize,
    /// Whether its hash is kept.
    is_known_again: bool,
}

impl Spec {
    /// Any; a few are long, so that sectors are crossed.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let rows = || prop_oneof![3 => Just(0), 1 => 1..4_u64];
        let totals = prop_oneof![4 => Just(0), 3 => 1..700_usize, 1 => 700..30_000_usize];
        (0..40_u64, 1..4_u64, rows(), rows(), 0..3_u64, totals, any::<bool>()).prop_map(
            |(points, runs, logs, texts, starts, totals_bytes, is_known_again)| Self {
                points,
                runs,
                logs,
                texts,
                starts,
                totals_bytes,
                is_known_again,
            },
        )
    }

    /// Points and records in it.
    pub(super) fn stored(&self) -> u64 {
        self.points + self.logs + self.texts
    }

    /// What it adds to the ledger. The time is its number, by which it is known when it comes back.
    pub(super) fn entry(&self, number: usize) -> Entry {
        let mut entry = Entry::request("otlp_http", "10.0.0.7", Signal::Metrics, self.totals_bytes, time(number));
        entry.received = self.stored();
        entry.add(Outcome::Stored, Reason::None, self.stored());
        entry
    }

    /// What it becomes.
    pub(super) fn parts(&self, number: usize) -> Parts {
        let seed = number as u64;
        let mut points = PointBatch::default();
        for point in 0..self.points {
            // Any bits are a value, those of many NaNs too.
            let value = f64::from_bits((seed << 32 | point).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            points.push(SeriesRef((seed * 7 + point % 5) as u32), time(number * 1_000 + point as usize), value);
        }
        let told = Told {
            stored: self.stored(),
            written: Written { samples: self.points, histograms: 0, exemplars: seed },
            rejected: vec![(Reason::TooOld, seed)],
        };
        Parts {
            entry: self.entry(number),
            fingerprint: self.is_known_again.then(|| (u128::from(seed) << 70 | 5, told)),
            totals: (0..self.totals_bytes).map(|at| (at * 31 + number) as u8).collect(),
            starts: (0..self.starts).map(|series| (SeriesRef(series as u32), time(number))).collect(),
            points,
            runs: self.runs(seed),
            rows: self.rows(number),
        }
    }

    fn runs(&self, ordinal: u64) -> Vec<PointRun> {
        let each = self.points.div_ceil(self.runs).max(1) as usize;
        let starts = (0..self.points as u32).step_by(each);
        starts
            .map(|start| PointRun { start, end: self.points.min((start as usize + each) as u64) as u32, ordinal })
            .collect()
    }

    fn rows(&self, number: usize) -> Vec<(Rows, u64)> {
        let (mut logs, mut texts) = (LogBuilder::default(), TextBuilder::default());
        for row in 0..self.logs {
            let body = "x".repeat(number % 50);
            let record = LogRecord {
                severity: "WARN",
                body: Some(&body),
                ..LogRecord::new(SeriesRef(row as u32), time(number))
            };
            logs.push(record, [("host", "a"), ("number", &number.to_string())]);
        }
        for row in 0..self.texts {
            texts.push(SeriesRef(row as u32), time(number), &format!("état {number}"));
        }
        [logs.finish(), texts.finish()]
            .into_iter()
            .filter(|rows| !rows.is_empty())
            .map(|rows| (rows, number as u64))
            .collect()
    }
}

fn time(nanos: usize) -> UnixNanos {
    UnixNanos(nanos as i64)
}

/// All that is in a body.
pub(super) struct Parts {
    pub(super) entry: Entry,
    fingerprint: Option<(u128, Told)>,
    totals: Vec<u8>,
    starts: Vec<(SeriesRef, UnixNanos)>,
    points: PointBatch,
    runs: Vec<PointRun>,
    rows: Vec<(Rows, u64)>,
}

impl Parts {
    /// What came back.
    pub(super) fn of(body: Body<'_>) -> Self {
        let Body { entry, fingerprint, totals, starts, points, runs, rows } = body;
        Self { entry, fingerprint, totals: totals.to_vec(), starts, points, runs, rows }
    }

    /// The number of the body, which its entry says.
    pub(super) fn number(&self) -> usize {
        self.entry.at.0 as usize
    }

    /// Its record.
    pub(super) fn record(&self) -> NewRecord {
        NewBody {
            entry: &self.entry,
            fingerprint: self.fingerprint.as_ref(),
            totals: &self.totals,
            starts: &self.starts,
            points: &self.points,
            runs: &self.runs,
            rows: &self.rows,
        }
        .encode()
    }

    /// Fails where the two differ, to the last bit.
    pub(super) fn must_equal(&self, other: &Self) {
        assert_eq!(self.entry, other.entry);
        assert_eq!((&self.fingerprint, &self.starts, &self.runs), (&other.fingerprint, &other.starts, &other.runs));
        assert!(self.totals == other.totals, "the totals of {} differ", self.number());
        assert!(self.bits().eq(other.bits()), "the points of {} differ", self.number());
        assert_eq!(self.rows.len(), other.rows.len());
        for ((rows, ordinal), (other, of_other)) in self.rows.iter().zip(&other.rows) {
            assert_eq!((rows.kind(), rows.batch(), ordinal), (other.kind(), other.batch(), of_other));
        }
    }

    fn bits(&self) -> impl Iterator<Item = (SeriesRef, UnixNanos, u64)> {
        self.points.iter().map(|(series, time, value)| (series, time, value.to_bits()))
    }
}
