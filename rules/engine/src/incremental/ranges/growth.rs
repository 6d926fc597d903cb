//! Histograms of a series, by what was observed between them.

use std::sync::Arc;

use flyball_model::Histogram;

use super::super::sliding::Sliding;
use crate::functions::call::RangeWindow;
use crate::functions::histogram::observed_between;
use crate::functions::numbers::growth::Seen;
use crate::functions::numbers::seconds;
use crate::functions::window::{Function, Window};

/// The first sample of a pane, and what was observed between it and the first sample of the next pane.
#[derive(Debug)]
struct Mark {
    at: i64,
    /// Observations until then.
    count: f64,
    /// Samples of the pane.
    samples: usize,
    observed: Option<Histogram>,
}

/// The samples of a series in the window: what was observed in each pane, and the last of all.
#[derive(Debug, Default)]
pub(super) struct Growth {
    marks: Vec<Mark>,
    last: Option<(i64, Arc<Histogram>)>,
    /// What was observed in all panes; `None` until it is asked for, and after one has left.
    observed: Option<Histogram>,
    heap_bytes: usize,
}

impl Growth {
    /// Memory of a pane beside its buckets.
    pub(super) const PANE_BYTES: usize = size_of::<Mark>();

    /// Bytes of all buckets.
    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Adds a sample that is newer than all before, and says whether it begins a pane.
    pub(super) fn add(&mut self, window: &Sliding, pane: i64, at: i64, histogram: Arc<Histogram>) -> bool {
        let (count, bytes) = (histogram.count(), histogram.heap_bytes());
        let before = self.last.replace((at, histogram));
        self.heap_bytes += bytes;
        self.heap_bytes -= before.as_ref().map_or(0, |(_, before)| before.heap_bytes());
        if let (Some(mark), Some((before_at, before)), Some((_, last))) = (self.marks.last_mut(), before, &self.last) {
            let change = observed_between((before_at, &*before), last);
            if let Some(observed) = &mut self.observed {
                put(&mut self.heap_bytes, observed, &change);
            }
            match &mut mark.observed {
                Some(observed) => put(&mut self.heap_bytes, observed, &change),
                None => {
                    self.heap_bytes += change.heap_bytes();
                    mark.observed = Some(change);
                }
            }
            if window.pane_of(mark.at) == pane {
                mark.samples += 1;
                return false;
            }
        }
        self.marks.push(Mark { at, count, samples: 1, observed: None });
        true
    }

    /// Forgets the samples of panes before `first`, and says whether there were any.
    pub(super) fn expire(&mut self, window: &Sliding, first: i64) -> bool {
        let gone = self.marks.iter().take_while(|mark| window.pane_of(mark.at) < first).count();
        if gone == 0 {
            return false;
        }
        let of_panes = self.marks.drain(..gone).filter_map(|mark| mark.observed);
        let of_all = self.observed.take();
        self.heap_bytes -= of_panes.chain(of_all).map(|observed| observed.heap_bytes()).sum::<usize>();
        true
    }

    /// The time of the last sample; `None` when the window has none.
    pub(super) fn last_at(&self) -> Option<i64> {
        let (last_at, _) = self.last.as_ref()?;
        (!self.marks.is_empty()).then_some(*last_at)
    }

    /// What was observed in `window`, which may be longer than the rule asks for; `None` when there are fewer than two samples.
    pub(super) fn figure(
        &mut self,
        RangeWindow { function, length }: RangeWindow,
        window: Window,
    ) -> Option<Histogram> {
        let last_at = self.last_at()?;
        let samples: usize = self.marks.iter().map(|mark| mark.samples).sum();
        if samples < 2 {
            return None;
        }
        let (first_at, first_count) = self.marks.first().map(|first| (first.at, first.count))?;
        let observed = self.observed()?;
        let seen = Seen { first_at, last_at, count: samples };
        let (covered, sampled) = seen.coverage(first_count, observed.count(), window, true);
        let rate = covered / sampled / seconds(window.to - window.from);
        Some(observed.clone().times(if function == Function::Rate { rate } else { rate * seconds(length) }))
    }

    /// What was observed in all panes.
    fn observed(&mut self) -> Option<&Histogram> {
        if self.observed.is_none() {
            let mut of_panes = self.marks.iter().filter_map(|mark| mark.observed.as_ref());
            let mut observed = of_panes.next()?.clone();
            of_panes.for_each(|more| observed.merge(more));
            self.heap_bytes += observed.heap_bytes();
            self.observed = Some(observed);
        }
        self.observed.as_ref()
    }
}

/// Adds observations to others, whose bytes are among `heap_bytes`.
fn put(heap_bytes: &mut usize, into: &mut Histogram, more: &Histogram) {
    *heap_bytes -= into.heap_bytes();
    into.merge(more);
    *heap_bytes += into.heap_bytes();
}
