//! The same body through normalisers with different pasts.
//!
//! | normaliser | its registry | its cache of aliases |
//! |---|---|---|
//! | new | empty | empty |
//! | the same once more | knows the body | knows the body |
//! | an old one | knows the bodies before | knows the bodies before |
//! | a new one beside it | the same | empty |
//!
//! The first two must say the same, and so must the last two: the cache changes speed and never results.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use flyball_decode::DecodeError;
use flyball_model::intake::{Context, Format};
use flyball_model::ledger::Reason;
use flyball_model::{Limits, RowKind, SeriesRegistry, UnixNanos};
use flyball_normalize::{Normalized, Normalizer, TOTALS_PIECE_BYTES_MAX};

use super::account::{Received, received};
use super::invariants;

/// When all bodies are received, 2030-01-01T00:00:00Z: after all that are in the corpus.
pub(crate) const NOW: UnixNanos = UnixNanos::from_secs(1_893_456_000);

/// An old normaliser is given up after this many bodies, so that what it knows stays of a kind with what comes.
const BODIES_MAX: u32 = 500;

/// Limits that mutated bodies reach. Bodies of the corpus are as old as the corpus, so that the past is long.
pub(crate) fn limits() -> Limits {
    Limits {
        series: 200,
        labels: 24,
        label_bytes: 300,
        past: Duration::from_secs(20 * 365 * 24 * 3600),
        body_bytes: 1 << 20,
        ..Limits::default()
    }
}

thread_local! {
    static OLD: RefCell<Option<(Bench, u32)>> = const { RefCell::new(None) };
}

/// A normaliser with its registry.
pub(crate) struct Bench {
    pub(crate) registry: Arc<SeriesRegistry>,
    pub(crate) normalizer: Normalizer,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::beside(Arc::new(SeriesRegistry::new(limits().series)))
    }

    fn beside(registry: Arc<SeriesRegistry>) -> Self {
        Self { normalizer: Normalizer::new(Arc::clone(&registry), limits()), registry }
    }

    /// Normalises a body and checks what came out.
    pub(crate) fn take(
        &self,
        format: Format,
        body: &[u8],
        context: Option<&Context>,
        received: Option<&Received>,
    ) -> Result<Normalized, DecodeError> {
        let taken = self.normalizer.normalize(format, body, context, NOW);
        match &taken {
            Ok(normalized) => {
                invariants::check(format, body, &limits(), &self.registry, normalized, received);
                self.check_totals(normalized);
            }
            Err(error) => {
                invariants::check_error(body, error);
                assert!(received.is_none(), "somebody else can read it: {error}");
            }
        }
        taken
    }

    /// What is restored of a body's totals is what a checkpoint says of them.
    fn check_totals(&self, normalized: &Normalized) {
        if normalized.totals.is_empty() {
            return;
        }
        let restored = Bench::beside(Arc::clone(&self.registry));
        assert_eq!(restored.normalizer.restore_totals(&normalized.totals), Ok(()));
        let pieces = restored.pieces();
        let again = Bench::beside(Arc::clone(&self.registry));
        for piece in pieces.iter().rev().chain([&normalized.totals]) {
            assert!(piece.len() <= TOTALS_PIECE_BYTES_MAX || piece == &normalized.totals);
            assert_eq!(again.normalizer.restore_totals(piece), Ok(()));
        }
        assert_eq!(again.pieces(), pieces);
    }

    fn pieces(&self) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let exported = self.normalizer.export_totals(|piece| {
            pieces.push(piece.to_vec());
            Ok::<_, std::convert::Infallible>(())
        });
        assert_eq!(exported, Ok(()));
        pieces
    }
}

/// Takes a body with all four normalisers. `context` makes the same context each time: some remember the body before.
pub(crate) fn check(format: Format, body: &[u8], context: impl Fn() -> Option<Context>) {
    let received = received(format, body);
    let take = |bench: &Bench| bench.take(format, body, context().as_ref(), received.as_ref());
    let deltas = received.as_ref().is_none_or(|received| received.deltas)
        && matches!(format, Format::Otlp(_) | Format::OtlpJson(_));
    let new = Bench::new();
    let [first, again] = [take(&new), take(&new)];
    check_same(&first, &again, deltas, new.registry.len() < new.registry.cap());
    OLD.with_borrow_mut(|old| {
        let (old, bodies) = old.get_or_insert_with(|| (Bench::new(), 0));
        let before = old.registry.len();
        let taken = take(old);
        let same_past = old.registry.len() < old.registry.cap() || old.registry.len() == before;
        check_same(&taken, &take(&Bench::beside(Arc::clone(&old.registry))), deltas, same_past);
        *bodies += 1;
    });
    OLD.with_borrow_mut(|old| drop(old.take_if(|(_, bodies)| *bodies >= BODIES_MAX)));
}

/// Checks that two normalisers say the same. With `deltas` their totals differ, and when they stand. Without `same_past` one of
/// them met the cap of series with fewer series, and may say another reason for a point that both refuse.
fn check_same(
    one: &Result<Normalized, DecodeError>,
    other: &Result<Normalized, DecodeError>,
    deltas: bool,
    same_past: bool,
) {
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) => (one, other),
        (one, other) => return assert_eq!(one.as_ref().err(), other.as_ref().err()),
    };
    let refused = |taken: &Normalized| taken.rejections.iter().map(|entry| entry.points).sum::<u64>();
    assert_eq!((one.count(), refused(one)), (other.count(), refused(other)));
    assert_eq!((one.parts, one.not_finite, one.written), (other.parts, other.not_finite, other.written));
    assert_eq!(one.points.series(), other.points.series());
    if same_past {
        assert_eq!(one.rejections, other.rejections);
        assert_eq!(one.lines, other.lines);
    }
    if !deltas {
        assert_eq!(one.points.times(), other.points.times());
        let bits = |taken: &Normalized| taken.points.values().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(one), bits(other));
        assert!(!one.warnings.iter().chain(&other.warnings).any(|entry| entry.reason == Reason::Late));
    }
    let warnings = |taken: &Normalized| -> Vec<_> {
        let kept = taken.warnings.iter().filter(|entry| entry.reason != Reason::Late);
        kept.map(|entry| (entry.reason, entry.points)).collect()
    };
    assert_eq!(warnings(one), warnings(other));
    for kind in RowKind::ALL.into_iter().filter(|&kind| !(deltas && kind == RowKind::Histograms)) {
        let batch = |taken: &Normalized| taken.of(kind).map(|rows| rows.batch().clone());
        assert_eq!(batch(one), batch(other));
    }
}
