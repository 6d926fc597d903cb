//! The sketches of panes.

use datafusion::error::Result;

use super::super::accumulate::Layout;
use super::super::sketch::{Sketch, Sketches};
use super::{Chain, HEAD, NONE, Panes};

/// Panes whose sketches are put together once all of them are past, so that a look at a group need not put together those of every pane.
const BLOCK_PANES: u32 = 8;

/// From the number that tells a pane's sketch to the one that tells the sketch of its block: of all panes of the block from this one on, where this one
/// is the first of them.
const OF_BLOCK: usize = 1;

impl Panes {
    /// What some numbers tell.
    pub(in super::super) fn sketches(&mut self) -> &mut Sketches {
        &mut self.sketches
    }

    /// Makes a state of each sketch that has many rows.
    ///
    /// # Errors
    /// When DataFusion can't.
    pub(in super::super) fn fold(&mut self, layout: &Layout) -> Result<()> {
        self.sketches.fold(|input, sketch| layout.sketcher(input).state(&[(0, sketch)]))
    }

    /// Forgets the sketch of the block of a pane that is about to change.
    pub(super) fn open_block(&mut self, chain: Chain, number: u32) {
        if self.sketched.is_empty() {
            return;
        }
        let (block, mut pane) = (number / BLOCK_PANES, chain.oldest);
        while pane != NONE {
            let (number, next) = self.head(pane);
            if number / BLOCK_PANES == block {
                self.release_at(pane, OF_BLOCK);
            }
            pane = if number / BLOCK_PANES > block { NONE } else { next };
        }
    }

    /// Puts the sketches of the past blocks of a chain together.
    ///
    /// # Errors
    /// When DataFusion can't.
    pub(in super::super) fn close_blocks(&mut self, chain: Chain, layout: &Layout) -> Result<()> {
        if self.sketched.is_empty() || chain.is_empty() {
            return Ok(());
        }
        let newest = self.head(chain.newest).0 / BLOCK_PANES;
        let mut first = chain.oldest;
        while self.head(first).0 / BLOCK_PANES < newest {
            let next = self.close_block(first, layout)?;
            first = next;
        }
        Ok(())
    }

    /// Puts the sketches of the block that begins with a pane together, and gives the first pane behind it.
    fn close_block(&mut self, first: u32, layout: &Layout) -> Result<u32> {
        let block = self.head(first).0 / BLOCK_PANES;
        let (mut panes, mut next) = (Vec::new(), first);
        while next != NONE && self.head(next).0 / BLOCK_PANES == block {
            panes.push(next);
            (_, next) = self.head(next);
        }
        for (at, input) in layout.sketched() {
            let sketches: Vec<_> = panes.iter().filter_map(|&pane| self.sketches.get(self.word(pane, at))).collect();
            let has_one = self.sketches.get(self.word(first, at + OF_BLOCK)).is_some();
            if has_one || sketches.len() < 2 || !Sketch::are_much(&sketches) {
                continue;
            }
            let sketches: Vec<_> = sketches.into_iter().map(|sketch| (0, sketch)).collect();
            let state = layout.sketcher(input).state(&sketches)?;
            let of_block = self.sketches.insert(state);
            self.numbers(first)[at + OF_BLOCK] = of_block;
        }
        Ok(next)
    }

    /// The sketches of a chain that a number of its panes tells, as few as there are.
    pub(in super::super) fn sketches_of<'p>(&'p self, chain: Chain, at: usize, mut each: impl FnMut(&'p Sketch)) {
        let (mut pane, mut done) = (chain.oldest, None);
        while pane != NONE {
            let (number, next) = self.head(pane);
            let block = number / BLOCK_PANES;
            if done != Some(block) {
                if let Some(of_block) = self.sketches.get(self.word(pane, at + OF_BLOCK)) {
                    done = Some(block);
                    each(of_block);
                } else if let Some(sketch) = self.sketches.get(self.word(pane, at)) {
                    each(sketch);
                }
            }
            pane = next;
        }
    }

    /// Gives back the sketches of a chain, whose panes stay.
    pub(in super::super) fn release_sketches(&mut self, chain: Chain) {
        let mut pane = chain.oldest;
        while pane != NONE {
            self.release(pane);
            (_, pane) = self.head(pane);
        }
    }

    /// Gives back the sketches of a pane, and those of the block that it is the first of.
    pub(super) fn release(&mut self, pane: u32) {
        self.release_at(pane, 0);
        self.release_at(pane, OF_BLOCK);
    }

    fn release_at(&mut self, pane: u32, which: usize) {
        let (chunk, start) = self.place(pane);
        for &at in &self.sketched {
            self.sketches.release(&mut self.chunks[chunk][start + HEAD + at + which]);
        }
    }

    /// One of the numbers of a pane.
    fn word(&self, pane: u32, at: usize) -> f64 {
        let (chunk, start) = self.place(pane);
        self.chunks[chunk][start + HEAD + at]
    }
}
