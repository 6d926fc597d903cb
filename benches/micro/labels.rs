//! Labels of series in memory, and of idle ones, which are read from the journal of series.

use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use flyball_bench::series::{Series, metric};
use flyball_model::{SeriesRef, Shape, UnixNanos};
use flyball_store::labels::label_columns;
use flyball_store::{Store, StoreOptions};
use tempfile::TempDir;

/// Series of the estate.
const SERIES: usize = 100_000;

/// Series that a piece of a query has.
const PIECE: usize = 8192;

const IDLE: Duration = Duration::from_secs(3600);

fn main() {
    divan::main();
}

/// A store whose series have their labels in memory, or not.
struct Estate {
    store: Arc<Store>,
    _dir: TempDir,
}

impl Estate {
    fn new(is_idle: bool) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the store");
        let store = Store::open(dir.path(), StoreOptions::default()).expect("an empty folder");
        for number in 0..SERIES {
            resolve(&store, &Series::new(number));
        }
        store.sync_series().expect("the disk has room");
        if is_idle {
            store.registry().sweep(UnixNanos::from_secs(10_000), IDLE).expect("a good journal");
        }
        assert_eq!(store.registry().in_memory(), if is_idle { 0 } else { SERIES });
        Self { store, _dir: dir }
    }
}

fn resolve(store: &Store, series: &Series) -> SeriesRef {
    let name = metric(series.metric);
    let resolved = store.registry().resolve(&name, Shape::Numbers, &series.labels(), UnixNanos(0));
    resolved.expect("below the cap of series")
}

/// Three label columns of as many series as a query looks at together, one behind the other or far apart.
#[divan::bench(args = [(false, 1), (true, 1), (false, 11), (true, 11)])]
fn columns(bencher: Bencher<'_, '_>, (is_idle, step): (bool, usize)) {
    let estate = Estate::new(is_idle);
    let rows: Vec<_> = (0..PIECE).map(|row| (row * step) as u32).collect();
    let names = ["host_name", "mode", "rack"].map(Arc::from);
    bencher
        .counter(ItemsCount::new(PIECE))
        .bench_local(|| label_columns(estate.store.registry(), &names, black_box(&rows)).expect("a good journal"));
}

/// A series that is known, by its labels.
#[divan::bench(args = [false, true])]
fn known(bencher: Bencher<'_, '_>, is_idle: bool) {
    let estate = Estate::new(is_idle);
    let all: Vec<_> = (0..1000).map(|number| Series::new(number * 97)).collect();
    bencher
        .counter(ItemsCount::new(all.len()))
        .bench_local(|| all.iter().map(|series| u64::from(resolve(&estate.store, series).0)).sum::<u64>());
}
