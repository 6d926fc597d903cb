//! Running totals: deltas become cumulative, of sums and of histograms.
//!
//! | a delta | what becomes of it |
//! |---|---|
//! | whose interval follows the last one | is added |
//! | after a gap, or of a sender that started anew | is added: what was counted stays counted |
//! | whose interval overlaps the last one | is added: several processes may share one label set |
//! | that is older than the newest, or of the same time | is added; its total is written just after the newest point |
//! | that is older than the newest by more than `limits.late` | likewise, and counted as late |
//! | that is the newest one once more, with its start and its value | adds nothing: its sender missed the answer |
//!
//! Senders without an identity of their own (several processes, one label set) write points out of order in normal operation, and
//! only counting all of them gives their true sum. A late one's total cannot stand at its own time: before smaller totals it would
//! look like the restart of a counter.
//!
//! A total begins at zero with the first delta, at its start. For a counter that is a restart like any other, which range functions
//! know.
//!
//! Totals outlive the process: what a body changed is given away as bytes with the body ([`piece`] says how they look), and so are all
//! totals for a checkpoint. Each state of a total has a version, and the highest wins, so that pieces may be read in any order, twice,
//! and beside others that are older or newer.
//!
//! | module | holds |
//! |---|---|
//! | `newest` | where a total stands in time, what is late, what is sent again, versions |
//! | `numbers` | the totals of sums |
//! | `histograms` | the totals of histograms |
//! | `piece` | totals as bytes |
//! | `entries` | the bytes read back |

mod entries;
mod histograms;
mod newest;
mod numbers;
mod piece;

use flyball_model::{SeriesRef, SeriesRegistry, UnixNanos};

use entries::{Entries, State};
pub use entries::{TotalsError, TotalsProblem};
pub(crate) use histograms::{HistogramDelta, HistogramTotals};
pub(crate) use numbers::{Delta, NumberTotals};
pub(crate) use piece::Piece;
pub use piece::TOTALS_PIECE_BYTES_MAX;

/// Series that an export looks at before it lets go of the lock: some tens of microseconds.
const LOOKS_MAX: u32 = 1024;

/// All running totals.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) numbers: NumberTotals,
    pub(crate) histograms: HistogramTotals,
}

/// What became of the deltas of a body beside their points.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Added {
    /// How many were late.
    pub(crate) late: u64,
    /// How many histograms were not added, since their totals are more than a batch holds.
    pub(crate) refused: u64,
    /// The totals that began, and when.
    pub(crate) started: Vec<(SeriesRef, UnixNanos)>,
}

impl Totals {
    /// Takes over the totals of a piece, unless newer ones are known. All of the piece or nothing.
    ///
    /// # Errors
    /// When the bytes are no such piece, or speak of series that the registry does not know.
    pub(crate) fn restore(&self, bytes: &[u8], registry: &SeriesRegistry) -> Result<(), TotalsError> {
        let series_count = registry.len();
        // Read twice and not kept in between: a piece may be large, and most of them are good.
        for entry in Entries::new(bytes, series_count) {
            entry?;
        }
        let mut started = Vec::new();
        for entry in Entries::new(bytes, series_count) {
            let entry = entry?;
            let (series, start) = (entry.series, entry.start);
            let is_newer = match entry.state {
                State::Number(total) => self.numbers.restore(series, total),
                State::Histogram(total) => self.histograms.restore(series, total),
            };
            if is_newer {
                started.push((series, start));
            }
        }
        registry.read().note_starts(&mut started);
        Ok(())
    }

    /// Hands all totals of the first `series_count` series to `into`, in pieces of at most [`TOTALS_PIECE_BYTES_MAX`]. Others may
    /// add to them meanwhile: no lock is held for longer than [`LOOKS_MAX`] series or one piece take, and none while `into` runs.
    ///
    /// # Errors
    /// The first of `into`, which is not called again.
    pub(crate) fn export<E>(&self, series_count: usize, mut into: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let end = u32::try_from(series_count).unwrap_or(u32::MAX);
        let mut piece = Piece::default();
        export_kind(end, &mut piece, &mut into, |from, piece| self.numbers.write_some(from, end, piece))?;
        export_kind(end, &mut piece, &mut into, |from, piece| self.histograms.write_some(from, end, piece))?;
        if piece.is_empty() { Ok(()) } else { into(piece.as_bytes()) }
    }
}

/// Hands over the totals of a kind, but for those that the last piece has room for. `write_some` writes from a series on, and says with
/// which to go on.
fn export_kind<E>(
    end: u32,
    piece: &mut Piece,
    into: &mut impl FnMut(&[u8]) -> Result<(), E>,
    write_some: impl Fn(u32, &mut Piece) -> u32,
) -> Result<(), E> {
    let mut from = 0;
    while from < end {
        from = write_some(from, piece);
        if piece.is_full() {
            into(piece.as_bytes())?;
            piece.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
