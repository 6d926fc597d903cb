//! Totals to bytes and back, and bytes that are no totals.

use std::time::Duration;

use flyball_model::histogram::{BucketRun, ExponentialBuckets, Totals as Summary};
use flyball_model::rows::HistogramBuilder;
use flyball_model::{Histogram, PointBatch, Shape};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LATE: Duration = Duration::from_secs(30);

/// A registry of so many series.
fn registry(series: u32) -> SeriesRegistry {
    let registry = SeriesRegistry::new(series as usize);
    for number in 0..series {
        let known = registry.resolve("m", Shape::Numbers, &[("n", &number.to_string())], UnixNanos(0));
        assert_eq!(known, Ok(SeriesRef(number)));
    }
    registry
}

fn number(series: u32, start: Option<i64>, time: i64, change: f64) -> Delta {
    Delta { series: SeriesRef(series), start: start.map(UnixNanos), time: UnixNanos(time), change }
}

fn explicit(series: u32, time: i64, bounds: &[f64], counts: &[f64]) -> HistogramDelta {
    let totals = Summary { count: counts.iter().sum(), sum: Some(0.5), max: Some(2.5), ..Summary::default() };
    let histogram = Histogram::explicit(totals, bounds.to_vec(), counts.to_vec()).expect("fits");
    HistogramDelta { series: SeriesRef(series), time: UnixNanos(time), histogram }
}

fn exponential(series: u32, time: i64, positive: &[f64], negative: &[f64]) -> HistogramDelta {
    let totals = Summary {
        count: 1.0 + positive.iter().chain(negative).sum::<f64>(),
        start_time: Some(UnixNanos(time - 10)),
        ..Summary::default()
    };
    let run = |counts: &[f64]| BucketRun { offset: -5, counts: counts.to_vec() };
    let (positive, negative) = (run(positive), run(negative));
    let buckets = ExponentialBuckets { scale: 3, zero_threshold: 0.25, zero_count: 1.0, positive, negative };
    let histogram = Histogram::exponential(totals, buckets).expect("fits");
    HistogramDelta { series: SeriesRef(series), time: UnixNanos(time), histogram }
}

impl Totals {
    /// Adds deltas as a body does, and gives the piece.
    fn add(&self, numbers: Vec<Delta>, histograms: Vec<HistogramDelta>) -> Vec<u8> {
        let mut piece = Piece::default();
        self.numbers.accumulate(numbers, LATE, &mut PointBatch::default(), &mut piece);
        self.histograms.accumulate(histograms, LATE, &mut HistogramBuilder::default(), &mut piece);
        piece.into_bytes()
    }

    fn pieces(&self) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let exported: Result<(), ()> = self.export(64, |piece| {
            assert!(piece.len() <= TOTALS_PIECE_BYTES_MAX);
            pieces.push(piece.to_vec());
            Ok(())
        });
        assert_eq!(exported, Ok(()));
        pieces
    }
}

/// Totals of every kind, and their piece.
fn all_kinds() -> (Totals, Vec<u8>) {
    let totals = Totals::default();
    let piece = totals.add(
        vec![
            number(3, Some(5), 10, 1.0),
            number(3, Some(10), 20, 0.1),
            number(1, None, 30, 1e300),
            number(2, None, 30, f64::MAX),
            number(2, None, 31, f64::MAX),
        ],
        vec![
            explicit(4, 10, &[1.0, 2.0], &[0.0, 300.0, 2.0]),
            explicit(5, 10, &[], &[1.5]),
            exponential(6, 20, &[1.0, 0.0, 2.0], &[]),
            exponential(7, 20, &[], &[1e18, 2.0]),
        ],
    );
    (totals, piece)
}

#[test]
fn a_piece_has_the_last_state_of_each_total_that_changed() {
    let (totals, piece) = all_kinds();
    let series = |piece: &[u8]| -> Vec<u32> {
        Entries::new(piece, 8).map(|entry| entry.expect("a good piece").series.0).collect()
    };
    assert_eq!(series(&piece), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(totals.pieces(), [piece], "which were all of them");
    let again = totals.add(vec![number(3, Some(10), 20, 0.1), number(1, None, 31, 1.0)], vec![]);
    assert_eq!(series(&again), [1], "what is sent again changes nothing");
    assert_eq!(totals.add(vec![], vec![]).capacity(), 0, "a body without deltas costs nothing");
}

#[test]
fn the_newest_state_wins_in_any_order() {
    let (second, third) = (
        || (vec![number(3, None, 30, 2.0)], vec![explicit(4, 20, &[1.0, 2.0], &[1.0, 0.0, 0.0])]),
        || (vec![number(0, None, 30, 2.0)], vec![explicit(4, 30, &[3.0], &[1.0, 0.0])]),
    );
    for order in [[0, 1, 2], [2, 1, 0], [2, 0, 1], [1, 2, 0]] {
        let (totals, first) = all_kinds();
        let pieces = [first, totals.add(second().0, second().1), totals.add(third().0, third().1)];
        let (restored, registry) = (Totals::default(), registry(8));
        for place in order.into_iter().chain([1]) {
            assert_eq!(restored.restore(&pieces[place], &registry), Ok(()));
        }
        assert_eq!(restored.pieces(), totals.pieces());
        let starts: Vec<_> = (0..8).map(|series| registry.read().start_at(SeriesRef(series)).map(|at| at.0)).collect();
        assert_eq!(starts, [Some(30), Some(30), Some(30), Some(5), Some(30), Some(10), Some(10), Some(10)]);
        // The next versions are above all that were restored.
        let next = [&restored, &totals].map(|totals| totals.add(vec![number(1, None, 40, 1.0)], vec![]));
        assert_eq!(next[0], next[1]);
    }
}

#[test]
fn a_number_takes_some_twenty_bytes() {
    let deltas = (0..1000).map(|series| number(series, None, 1_790_000_000_000_000_000, f64::from(series)));
    let bytes = Totals::default().add(deltas.collect(), vec![]).len();
    assert!(bytes <= 1000 * 13 + 40, "{bytes}");
    let deltas =
        (0..1000).map(|series| number(series, Some(1_789_999_990_000_000_000), 1_790_000_000_000_000_000, 1.0));
    let bytes = Totals::default().add(deltas.collect(), vec![]).len();
    assert!(bytes <= 1000 * 21 + 40, "{bytes}");
}

/// What this version writes, every later one must read.
#[test]
fn the_format_stays_as_it_is() {
    let totals = Totals::default();
    let numbers = totals.add(vec![number(3, Some(5), 10, 1.0), number(1, None, 300, 0.1)], vec![]);
    let histograms = totals.add(vec![], vec![explicit(4, 10, &[2.0], &[0.0, 300.0]), exponential(5, 20, &[1.5], &[])]);
    for (piece, expected) in [(numbers, NUMBERS), (histograms, HISTOGRAMS)] {
        assert_eq!(hex::encode(&piece), expected);
        assert_eq!(Totals::default().restore(&piece, &registry(8)), Ok(()));
    }
}

/// Two numbers: one with what is in every entry, one with a mark and differences below 0.
const NUMBERS: &str = "01000204d804d8049a9999999999b93f020401c304cd0483c1afd747975f10000000000000f03f";
/// Two histograms: explicit with whole counts, exponential with fractions.
const HISTOGRAMS: &str = "0115080214140000000000c07240000000000000e03f000000000000044001000000000000004000ac0263020214008adc2dc19e894286000000000000044003000000000000d03f000000000000f03f0901000000000000f83f0000";

#[test]
fn bytes_that_are_no_totals_are_told_with_their_place() {
    let (_, good) = all_kinds();
    let check = |bytes: &[u8], series: u32, expected: &str| {
        let totals = Totals::default();
        let error = totals.restore(bytes, &registry(series)).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(totals.pieces(), Vec::<Vec<u8>>::new(), "nothing of it is taken over");
    };
    check(&[2, 0], 8, "running totals, byte 0: format 2 is not known; this version of flyball reads format 1");
    check(&good[..1], 8, "running totals, byte 1: the bytes end where a tag should be");
    check(&good[..good.len() - 1], 8, "running totals, byte ");
    check(&good, 7, "running totals, byte ");
    check(&good, 1, "running totals, byte 2: series 1 is not known, there are 1; the journal of series belongs");
    let float = |value: f64| value.to_le_bytes();
    let head = [2, 2, 0, 0];
    let number = |tag: u8, rest: &[u8]| [&[FORMAT_1, tag], &head[..], rest].concat();
    for (bytes, expected) in [
        (number(1 << 7, &[]), "byte 1: a tag is not what it may be; the bytes are damaged"),
        (number(1 << 3, &[]), "byte 1: a tag is not"),
        (number(2, &[0; 16]), "byte 6: a mark is not"),
        (number(0, &float(f64::NAN)), "byte 6: a sum is not"),
        (number(4, &[float(1.0), float(f64::INFINITY)].concat()), "byte 14: a carry is not"),
        (number(0, &float(1.0)[..7]), "byte 6: the bytes end where a sum should be"),
        (vec![FORMAT_1, 0, 1, 2, 0, 0], "byte 2: series -1 is not known, there are 8"),
        (vec![FORMAT_1, 0, 2, 0, 0, 0], "byte 3: a version is not"),
        (vec![FORMAT_1, 0, 2, 1, 0, 0], "byte 3: a version is not"),
        ([&[FORMAT_1, 0][..], &[0xff; 11]].concat(), "byte 2: a series is not"),
        ([&[FORMAT_1, 0][..], &[0xff; 9], &[2]].concat(), "byte 2: a series is not"),
        (number(1, &[&float(0.0)[..], &[0xff, 0xff, 0x7f]].concat()), "byte 14: a number of buckets is not"),
        (number(1, &[&float(0.0)[..], &[9]].concat()), "byte 14: a number of buckets is not"),
        (number(1, &[&float(3.0)[..], &[0, 2]].concat()), "byte 6: the count is 3 and the buckets hold 2 together"),
        (number(1, &[&float(3.0)[..], &[0], &[0xff; 7], &[0x7f]].concat()), "byte 15: the count of a bucket is not"),
        (number(33, &[&float(0.0)[..], &[99], &[0; 32]].concat()), "byte 6: the scale is 99"),
    ] {
        check(&bytes, 8, &format!("running totals, {expected}"));
    }
}

const FORMAT_1: u8 = 1;

#[test]
fn a_checkpoint_is_cut_into_pieces_and_bodies_may_come_in_between() {
    let large = |series: u32, time: i64, count: f64| exponential(series, time, &[count; 8_000], &[]);
    let (totals, registry) = (Totals::default(), registry(30));
    for series in 0..30 {
        totals.add(vec![number(series, None, 10, 1.0)], vec![large(series, 10, 0.5)]);
    }
    let (mut pieces, mut time) = (Vec::new(), 10);
    let exported: Result<(), ()> = totals.export(registry.len(), |piece| {
        assert!(piece.len() <= TOTALS_PIECE_BYTES_MAX);
        pieces.push(piece.to_vec());
        time += 10;
        let body = (0..30).step_by(7);
        pieces.push(totals.add(
            body.clone().map(|series| number(series, None, time, 1.0)).collect(),
            body.map(|series| large(series, time, 1.0)).collect(),
        ));
        Ok(())
    });
    assert_eq!((exported, pieces.len()), (Ok(()), 2 * 3));
    let restored = Totals::default();
    for piece in pieces.iter().rev() {
        assert_eq!(restored.restore(piece, &registry), Ok(()));
    }
    assert_eq!(restored.pieces(), totals.pieces());
}

#[test]
fn an_export_ends_with_the_first_error() {
    let totals = Totals::default();
    totals.add(vec![], (0..30).map(|series| exponential(series, 10, &[0.5; 8_000], &[])).collect());
    let mut asked = 0;
    let refuse = |_: &[u8]| {
        asked += 1;
        Err("disk full")
    };
    assert_eq!(totals.export(30, refuse), Err("disk full"));
    assert_eq!(asked, 1);
}

/// A good piece with some bytes changed, cut off or added.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let flips = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (flips, any::<prop::sample::Index>(), vec(any::<u8>(), 0..20), any::<bool>()).prop_map(|(flips, end, more, cut)| {
        let mut bytes = all_kinds().1;
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        bytes.extend(more);
        bytes
    })
}

proptest! {
    #[test]
    fn damaged_bytes_are_taken_over_whole_or_refused_with_their_place(
        bytes in prop_oneof![damaged(), vec(any::<u8>(), 0..100)],
    ) {
        let (totals, registry) = (Totals::default(), registry(8));
        match totals.restore(&bytes, &registry) {
            Err(error) => {
                prop_assert!(error.offset <= bytes.len());
                prop_assert_eq!(totals.pieces(), Vec::<Vec<u8>>::new());
            }
            Ok(()) => {
                let again = Totals::default();
                for piece in totals.pieces() {
                    prop_assert_eq!(again.restore(&piece, &registry), Ok(()));
                }
                prop_assert_eq!(again.pieces(), totals.pieces());
                // And whatever they are, one can go on with them.
                totals.add(vec![number(1, None, 40, 1.0), number(3, None, 40, -1.0)], vec![
                    explicit(4, 40, &[1.0, 2.0], &[0.0, 300.0, 2.0]),
                    exponential(6, 50, &[1.0, 0.0, 2.0], &[]),
                    exponential(7, 50, &[], &[2.0, 2.0]),
                ]);
            }
        }
    }
}
