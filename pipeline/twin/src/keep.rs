//! The twin as bytes, so that it outlives the log that it was made from.
//!
//! ```text
//! piece := (series u32 · first i64 · last i64 · time i64 · value f64 · time before i64 · value before f64)*
//! ```
//! Little-endian; a time that never was is `i64::MIN` (`i64::MAX` for `first`). Taking a piece in changes nothing that is newer: pieces may be
//! read in any order, and points that they speak of may be observed again.

use flyball_model::series::ColdError;
use flyball_model::{SeriesRef, SeriesRegistry};

use crate::Twin;
use crate::cell::Cell;

const ENTRY_BYTES: usize = 52;

/// Series looked at under one hold of the lock.
const SERIES_AT_ONCE: usize = 16 * 1024;

/// Bytes that are no piece of a twin of this data folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPiece {
    /// Cut off.
    #[error("a piece of the twin has {0} bytes, which are no whole number of entries")]
    Length(usize),
    /// Of another data folder.
    #[error("a piece of the twin speaks of series {series}, and there are {known}")]
    Series {
        /// The series.
        series: u32,
        /// How many there are.
        known: usize,
    },
    /// Of series whose labels can't be read.
    #[error(transparent)]
    Labels(#[from] ColdError),
}

impl Twin {
    /// Hands the twin to `into` in pieces of less than a megabyte. Batches may be observed meanwhile.
    ///
    /// # Errors
    /// The first of `into`, which is not called again.
    pub fn export<E>(&self, mut into: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut start = 0;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let series = self.write_entries(start, &mut piece);
            if !piece.is_empty() {
                into(&piece)?;
            }
            start += SERIES_AT_ONCE;
            if start >= series {
                return Ok(());
            }
        }
    }

    /// Takes a piece back. All its series are in the registry. Blocks where their labels are not in memory.
    ///
    /// # Errors
    /// When the bytes are no piece, or of another data folder, or labels can't be read; nothing of it was taken then.
    pub fn restore(&self, registry: &SeriesRegistry, piece: &[u8]) -> Result<(), BadPiece> {
        let (entries, rest) = piece.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(BadPiece::Length(piece.len()));
        }
        let known = registry.len();
        if let Some(entry) = entries.iter().map(Entry::read).find(|entry| entry.series as usize >= known) {
            return Err(BadPiece::Series { series: entry.series, known });
        }
        let series: Vec<_> = entries.iter().map(|entry| Entry::read(entry).series()).collect();
        let view = registry.labels_of(&series)?;
        self.change(|state, mapping| {
            for entry in entries.iter().map(Entry::read) {
                state.take_back(mapping, &view, &entry);
            }
            !entries.is_empty()
        });
        Ok(())
    }

    /// Appends the entries of a range of series; says how many series there are.
    fn write_entries(&self, start: usize, piece: &mut Vec<u8>) -> usize {
        let state = self.look();
        let end = (start + SERIES_AT_ONCE).min(state.series());
        for series in start..end {
            if let Some(entry) = state.entry(series as u32) {
                entry.write(piece);
            }
        }
        state.series()
    }
}

/// What is kept of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) series: u32,
    /// When the facet was first and last heard of.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) cell: Cell,
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.series.to_le_bytes());
        out.extend(self.first.to_le_bytes());
        out.extend(self.last.to_le_bytes());
        for (time, value) in self.cell.points() {
            out.extend(time.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
    }

    fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (series, rest) = bytes.split_first_chunk().expect("an entry begins with four bytes");
        let word = |at: usize| *rest[at * 8..].first_chunk().expect("six words follow");
        let (number, value) = (|at| i64::from_le_bytes(word(at)), |at| f64::from_le_bytes(word(at)));
        let cell = Cell::of([(number(2), value(3)), (number(4), value(5))]);
        Self { series: u32::from_le_bytes(*series), first: number(0), last: number(1), cell }
    }

    /// The series.
    pub(crate) fn series(&self) -> SeriesRef {
        SeriesRef(self.series)
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::{PointBatch, Shape, UnixNanos};

    use super::*;
    use crate::Mapping;

    #[test]
    fn a_twin_that_is_taken_back_is_the_one_that_was_given_away() {
        let registry = SeriesRegistry::new(100);
        let mut points = PointBatch::default();
        for host in ["a", "b"] {
            for metric in ["node_load1", "node_memory_MemTotal_bytes", "node_cpu_seconds_total"] {
                let labels = [("instance", host), ("job", "node"), ("mode", "idle")];
                let labels = if metric == "node_cpu_seconds_total" { &labels[..] } else { &labels[..2] };
                let series = registry.resolve(metric, Shape::Numbers, labels, UnixNanos(0)).expect("below the cap");
                for second in 1..4 {
                    points.push(series, UnixNanos::from_secs(second), second as f64);
                }
            }
        }
        let twin = Twin::new(Mapping::builtin());
        twin.observe(&registry, &points).expect("labels are in memory");
        let document = twin.document(UnixNanos::from_secs(5));
        assert!(document["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2), "{document}");

        let again = Twin::new(Mapping::builtin());
        let mut pieces = Vec::new();
        let gather = |piece: &[u8]| {
            pieces.push(piece.to_vec());
            Ok::<_, ()>(())
        };
        twin.export(gather).expect("gathering never fails");
        for piece in pieces.iter().chain(&pieces) {
            again.restore(&registry, piece).expect("a good piece");
        }
        assert_eq!(again.document(UnixNanos::from_secs(5)), document);
        again.observe(&registry, &points).expect("labels are in memory");
        assert_eq!(again.document(UnixNanos::from_secs(5)), document);

        assert_eq!(again.restore(&registry, &pieces[0][1..]), Err(BadPiece::Length(pieces[0].len() - 1)));
        let none = SeriesRegistry::new(1);
        assert!(matches!(again.restore(&none, &pieces[0]), Err(BadPiece::Series { known: 0, .. })));
    }
}
