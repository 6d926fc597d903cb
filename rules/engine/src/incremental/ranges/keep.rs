//! What samples are to what is kept of them.

use std::fmt::Debug;

use datafusion::error::Result;
use flyball_model::batch::is_stale;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};
use flyball_store::Store;

use super::super::arrived::Arrived;
use super::super::sliding::Sliding;
use super::super::table::Stop;
use crate::functions::call::RangeWindow;
use crate::functions::window::Window;

/// What a sample is beside its time.
pub(super) trait Value: Clone + Debug + Send {
    /// Of a series without samples.
    const NONE: Self;

    /// Whether it is a staleness marker.
    fn is_marker(&self) -> bool;

    /// Whether it is the same to the bit.
    fn is_same(&self, other: &Self) -> bool;
}

/// A series with its samples, each a time and a value, rising in time.
pub(super) type Read<V> = (SeriesRef, Vec<(i64, V)>);

/// What is kept of the samples of many series, by place.
pub(super) trait Keep: Debug + Send {
    type Value: Value;
    /// What the function makes of a series.
    type Figure;

    /// Forgets all series; panes to come are not before `base`.
    fn forget(&mut self, base: i64);

    /// Memory of so many series with so many panes, near enough.
    fn bytes(&self, series: usize, panes: usize) -> usize;

    /// One more series, without samples.
    fn push(&mut self);

    /// Forgets the samples of a series.
    fn reset(&mut self, place: usize);

    /// Adds a sample that is newer than all before, and says whether it begins a pane.
    fn add(&mut self, place: usize, window: &Sliding, pane: i64, sample: (i64, Self::Value)) -> bool;

    /// Forgets the samples of panes before `first`, and says whether there were any.
    fn expire(&mut self, place: usize, window: &Sliding, first: i64) -> bool;

    /// The time of the last sample in the window; `None` when there is none.
    fn last_at(&self, place: usize) -> Option<i64>;

    /// What the function makes of the samples of a series in `window`; `None` when there are too few.
    fn figure(&mut self, place: usize, range: RangeWindow, window: Window) -> Option<Self::Figure>;

    /// What gives the values of what has arrived, by row.
    ///
    /// # Errors
    /// When it is of another kind; so may be a row.
    fn values(arrived: &Arrived) -> Result<impl Fn(usize) -> Result<Self::Value>>;

    /// The samples of some series after `from`, as they are stored. Blocks on files.
    ///
    /// # Errors
    /// When the history can't be read.
    fn read(
        &self,
        store: &Store,
        metric: MetricRef,
        series: &[SeriesRef],
        from: UnixNanos,
    ) -> Result<Vec<Read<Self::Value>>, Stop>;

    /// Figures as if they were points or records that arrive; `of` says whose each is, in the place of a series.
    ///
    /// # Errors
    /// When arrow can't.
    fn arrived(of: Vec<u32>, times: Vec<i64>, figures: Vec<Self::Figure>) -> Result<Arrived>;
}

impl Value for f64 {
    const NONE: Self = f64::NAN;

    #[inline]
    fn is_marker(&self) -> bool {
        is_stale(*self)
    }

    #[inline]
    fn is_same(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
