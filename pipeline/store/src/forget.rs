//! Forgetting: for replays, whose points stand in another store's history and need not be in this one's.

use flyball_model::UnixNanos;

use crate::store::Store;

impl Store {
    /// Drops from memory what is older than `before`, a chunk at a time, without writing it anywhere: what is a little older may stay. Only
    /// what came before it in the order of arrival goes, so points should come in the order of time.
    ///
    /// For stores that a replay fills. A store that promised to keep its points has [`Store::maintain`].
    pub fn forget(&self, before: UnixNanos) {
        // As for a chunk that leaves for a file: a reader sees it or does not.
        let _keeper = self.keeper.lock();
        let _history = self.history.write();
        self.points.forget(before.0);
        self.rows.forget(before.0);
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::{PointBatch, Shape};

    use super::*;
    use crate::options::StoreOptions;

    #[test]
    fn what_is_old_goes_and_what_is_young_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("an empty store");
        let series = store.registry().resolve("m", Shape::Numbers, &[], UnixNanos(0)).expect("below the cap");
        for minute in 0..60 {
            let mut points = PointBatch::default();
            (0..4).for_each(|step| points.push(series, UnixNanos::from_secs(minute * 60 + step * 15), 1.0));
            store.append_unlogged(points);
            store.forget(UnixNanos::from_secs((minute - 5) * 60));
        }
        let metric = store.registry().read().metric("m").expect("it has a series");
        let found = store.samples(metric, None, UnixNanos(0), UnixNanos::from_secs(3600)).expect("in memory");
        let times = &found[0].times;
        assert_eq!(times.last(), Some(&UnixNanos::from_secs(59 * 60 + 45).0));
        assert!(
            times[0] <= UnixNanos::from_secs(54 * 60).0 && times.len() < 80,
            "{} points from {}",
            times.len(),
            times[0]
        );
        assert_eq!(store.stats().hot_points as usize, times.len());
        store.forget(UnixNanos::MAX);
        assert_eq!((store.stats().hot_points, store.stats().hot_bytes), (0, 0));
    }
}
