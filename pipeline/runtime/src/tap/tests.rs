//! Looking on: who sees what, and who loses what.

use flyball_model::SeriesRef;
use flyball_model::UnixNanos;
use flyball_store::{Store, StoreOptions};

use super::*;

fn batch(points: usize) -> PointBatch {
    let mut batch = PointBatch::default();
    (0..points).for_each(|point| batch.push(SeriesRef(0), UnixNanos(point as i64), 1.0));
    batch
}

#[tokio::test]
async fn who_is_slow_is_told_what_was_lost_and_nobody_waits() {
    let tap = Arc::new(Tap::default());
    tap.points(&batch(5));
    let (mut slow, mut quick) = (tap.listen().expect("room"), tap.listen().expect("room"));
    for _ in 0..3 {
        tap.points(&batch(POINTS_WAITING_MAX / 2));
        let (arrived, lost) = quick.next().await.expect("a batch");
        assert_eq!((arrived.len(), lost), (POINTS_WAITING_MAX / 2, 0));
    }
    assert_eq!(slow.next().await.map(|(arrived, lost)| (arrived.len(), lost)), Some((100_000, 100_000)));
    tap.points(&batch(1));
    assert_eq!(slow.next().await.map(|(arrived, lost)| (arrived.len(), lost)), Some((100_000, 0)));
    assert_eq!(slow.next().await.map(|(arrived, lost)| (arrived.len(), lost)), Some((1, 0)));
    for _ in 0..BATCHES_WAITING_MAX + 7 {
        tap.points(&batch(1));
    }
    assert_eq!(slow.next().await.map(|(_, lost)| lost), Some(7));
    drop(quick);
    let listeners: Vec<_> = std::iter::from_fn(|| tap.listen()).collect();
    assert_eq!(listeners.len(), LISTENERS_MAX - 1);
    drop((slow, listeners));
    assert_eq!(tap.listening.load(Ordering::Relaxed), 0);
}

#[test]
fn points_are_rows_of_the_table_that_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), StoreOptions::default()).expect("an empty store");
    let series = |metric: &str, labels: &[(&str, &str)]| {
        store.registry().resolve(metric, flyball_model::Shape::Numbers, labels, UnixNanos(0)).expect("room")
    };
    let (cpu, load) = (series("cpu", &[("host", "a")]), series("load", &[("host", "a"), ("zone", "z")]));
    let mut points = PointBatch::default();
    points.push(cpu, UnixNanos(1), 1.0);
    points.push(load, UnixNanos(2), 2.0);
    let arrived = Arrived::Points(points);
    for (name, rows, columns) in [
        (None, 2, "time name value labels"),
        (Some("metrics"), 2, "time name value labels"),
        (Some("load"), 1, "time value host zone"),
        (Some("logs"), 0, ""),
    ] {
        let table = TapTable::named(name, &store).expect("a table");
        let found = table.rows(&arrived, &store).expect("labels in memory");
        let names = found
            .iter()
            .flat_map(|batch| batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>());
        assert_eq!(names.collect::<Vec<_>>().join(" "), columns);
        assert_eq!(found.as_ref().map_or(0, |batch| batch.num_rows()), rows);
        assert!(found.is_none_or(|batch| batch.schema() == table.columns(&store)));
    }
    assert!(TapTable::named(Some("nowhere"), &store).is_err());
}
