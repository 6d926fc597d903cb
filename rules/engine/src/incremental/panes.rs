//! What is kept of points in the panes of a window, one after the other.

use super::accumulate::Layout;

/// Numbers before those of a pane: which pane it is.
const HEAD: usize = 1;

/// Panes with points, rising; each its number and then those of the layout.
#[derive(Debug, Default)]
pub(super) struct Panes {
    numbers: Vec<f64>,
}

impl Panes {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Numbers that a pane takes.
    pub(super) fn stride(layout: &Layout) -> usize {
        HEAD + layout.words()
    }

    /// The numbers of a pane, and whether it is a new one.
    #[inline]
    pub(super) fn pane(&mut self, layout: &Layout, pane: i64) -> (&mut [f64], bool) {
        let stride = Self::stride(layout);
        let numbers = &mut self.numbers;
        let mut at = numbers.len();
        while at >= stride && number_of(&numbers[at - stride..]) > pane {
            at -= stride;
        }
        if at >= stride && number_of(&numbers[at - stride..]) == pane {
            return (&mut numbers[at - stride + HEAD..at], false);
        }
        // A pane or two of a series that sends seldom take as much as they need, and not the next power of two.
        if numbers.len() == numbers.capacity() {
            let more = if numbers.len() < 8 * stride { stride } else { numbers.len() / 2 };
            numbers.reserve_exact(more);
        }
        let new = [f64::from_bits(pane.cast_unsigned())].into_iter().chain(std::iter::repeat_n(0.0, layout.words()));
        numbers.splice(at..at, new);
        (&mut numbers[at + HEAD..at + stride], true)
    }

    /// Forgets the panes before `first`, and says how many numbers these had.
    pub(super) fn expire(&mut self, layout: &Layout, first: i64) -> usize {
        let stride = Self::stride(layout);
        let gone = self.numbers.chunks_exact(stride).take_while(|pane| number_of(pane) < first).count() * stride;
        self.numbers.drain(..gone);
        if self.numbers.is_empty() {
            self.numbers = Vec::new();
        }
        gone
    }

    /// All panes as one; `false` if there are none.
    pub(super) fn total(&self, layout: &Layout, into: &mut [f64]) -> bool {
        for pane in self.numbers.chunks_exact(Self::stride(layout)) {
            layout.merge(into, &pane[HEAD..]);
        }
        !self.numbers.is_empty()
    }
}

fn number_of(pane: &[f64]) -> i64 {
    pane[0].to_bits().cast_signed()
}
