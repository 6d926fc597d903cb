//! Columns of points into the hot store. What leaves it for the history does so between the measured calls.

use divan::Bencher;
use divan::counter::ItemsCount;
use flyball_bench::order::Order;
use flyball_bench::series::{Series, metric, value};
use flyball_model::{PointBatch, SeriesRef, Shape, UnixNanos};
use flyball_store::{LogPressure, Position, Store, StoreOptions};

/// Series that points belong to.
const SERIES: usize = 100_000;

/// Nanoseconds between two points of a series.
const STEP: i64 = 10_000_000_000;

/// 2023-11-14.
const FIRST: i64 = 1_700_000_000_000_000_000;

fn main() {
    divan::main();
}

/// Points of one call, and the order that their series come in.
#[divan::bench(args = [(2_000, Order::Steady), (8_192, Order::Steady), (2_000, Order::Shuffled)], sample_size = 4)]
fn append(bencher: Bencher<'_, '_>, (points, order): (usize, Order)) {
    let dir = tempfile::tempdir().expect("a folder for the store");
    let store = Store::open(dir.path(), StoreOptions::default()).expect("an empty folder");
    let series: Vec<_> = (0..SERIES).map(|number| resolve(&store, number)).collect();
    let mut source = Source { series, order, numbers: Vec::new(), round: 0 };
    bencher
        .counter(ItemsCount::new(points))
        .with_inputs(|| {
            if store.needs_maintenance() {
                store.maintain(UnixNanos(source.time()), LogPressure::default()).expect("the disk has room");
            }
            source.batch(points)
        })
        .bench_local_values(|batch| store.append(batch, Position::default()));
}

fn resolve(store: &Store, number: usize) -> SeriesRef {
    let series = Series::new(number);
    let name = metric(series.metric);
    let resolved = store.registry().resolve(&name, Shape::Numbers, &series.labels(), UnixNanos(FIRST));
    resolved.expect("below the cap of series")
}

/// Batches in a sender's order, round after round.
struct Source {
    series: Vec<SeriesRef>,
    order: Order,
    /// What is left of the round.
    numbers: Vec<usize>,
    round: usize,
}

impl Source {
    fn batch(&mut self, points: usize) -> PointBatch {
        if self.numbers.len() < points {
            self.round += 1;
            self.numbers = self.order.numbers(self.round, SERIES, 0..SERIES, false);
            // They are taken from the end.
            self.numbers.reverse();
        }
        let mut batch = PointBatch::with_capacity(points);
        for number in self.numbers.split_off(self.numbers.len() - points).into_iter().rev() {
            batch.push(self.series[number], UnixNanos(self.time()), value(number, self.round));
        }
        batch
    }

    fn time(&self) -> i64 {
        FIRST + self.round as i64 * STEP
    }
}
