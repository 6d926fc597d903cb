//! The store and its log against a plain list, through crashes and power cuts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flyball_log::Position;
use flyball_log::simulation::PowerCutDisk;
use flyball_model::{PointBatch, UnixNanos};
use proptest::prelude::*;
use proptest::sample::Index;

use super::log::{Log, Record, all_logs, all_points, logs};
use crate::testing::{folder, join, series};
use crate::{LogPressure, Store, StoreError, StoreOptions};

const METRICS: [&str; 2] = ["a", "b"];
const HOSTS: [&str; 3] = ["x", "y", "z"];

/// Points as (metric, host, time, value); few of each, so that many are sent twice.
type Sent = Vec<(usize, usize, i64, u8)>;

#[derive(Debug, Clone)]
enum Step {
    Work(Work),
    /// The process dies; what waits was never answered.
    Crash,
    /// The power goes after so many operations of the disk, and the process with it.
    PowerCut(u64, Work),
}

#[derive(Debug, Clone)]
enum Work {
    /// A body comes and is written down; but some wait on their way to the log.
    Append(Sent, bool),
    /// So many log records come.
    Logs(usize, bool),
    /// One that waits gets into the log.
    Arrive(Index),
    Maintain,
    /// Maintenance, with the older part of the log to be given up.
    Press(Index),
    Flush,
    Join,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => work().prop_map(Step::Work),
        1 => Just(Step::Crash),
        2 => (0..30_u64, work()).prop_map(|(operations, work)| Step::PowerCut(operations, work)),
    ]
}

fn work() -> impl Strategy<Value = Work> {
    let point = (0..METRICS.len(), 0..HOSTS.len(), 0..12_i64, 0..2_u8);
    prop_oneof![
        8 => (prop::collection::vec(point, 0..40), prop::bool::weighted(0.3)).prop_map(|(sent, waits)| Work::Append(sent, waits)),
        3 => (1..30_usize, prop::bool::weighted(0.3)).prop_map(|(records, waits)| Work::Logs(records, waits)),
        3 => any::<Index>().prop_map(Work::Arrive),
        2 => Just(Work::Maintain),
        1 => any::<Index>().prop_map(Work::Press),
        1 => Just(Work::Flush),
        1 => Just(Work::Join),
    ]
}

struct Estate {
    dir: tempfile::TempDir,
    disk: PowerCutDisk,
    store: Arc<Store>,
    log: Log,
    /// Stored, and not in the log yet; with where the log ended when it came.
    waiting: Vec<(Position, Record)>,
    /// Each point that must be there.
    points: BTreeSet<(u32, i64, u64)>,
    logs: BTreeSet<i64>,
    clock: UnixNanos,
    records: i64,
}

/// The points or times that a record brings.
fn contents(record: &Record) -> (Vec<(u32, i64, u64)>, Vec<i64>) {
    match record {
        Record::Points(points, _) => {
            (points.iter().map(|(series, time, value)| (series.0, time.0, value.to_bits())).collect(), Vec::new())
        }
        Record::Rows(rows, _) => (Vec::new(), crate::hot::rows::times(rows.batch()).to_vec()),
    }
}

impl Estate {
    fn write_down(&mut self, record: Record, waits: bool) {
        if waits { self.waiting.push((self.log.position(), record)) } else { self.log.push(record) }
    }

    fn append(&mut self, sent: &Sent, waits: bool) -> Result<(), StoreError> {
        let mut batch = PointBatch::default();
        for &(metric, host, time, value) in sent {
            let series = series(&self.store, METRICS[metric], &[("host", HOSTS[host])]);
            batch.push(series, UnixNanos(time), f64::from(value));
        }
        self.store.sync_series()?;
        let all = batch.iter().map(|(series, time, value)| (series.0, time.0, value.to_bits()));
        let expected: Vec<_> = all.filter(|point| self.points.insert(*point)).collect();
        let appended = self.store.append(batch, self.log.position());
        let record = Record::Points(appended.points, appended.runs);
        assert_eq!(contents(&record).0, expected);
        assert_eq!(appended.duplicates as usize, sent.len() - expected.len());
        self.write_down(record, waits);
        Ok(())
    }

    fn append_logs(&mut self, records: usize, waits: bool) -> Result<(), StoreError> {
        let times: Vec<i64> = (self.records..self.records + records as i64).collect();
        let rows = logs(&self.store, &times);
        self.store.sync_series()?;
        self.records += records as i64;
        let ordinal = self.store.append_rows(rows.clone(), self.log.position()).ordinal;
        self.logs.extend(times);
        self.write_down(Record::Rows(rows, ordinal), waits);
        Ok(())
    }

    /// Forgets what the log need not keep.
    fn trim(&mut self) {
        let on_their_way = self.waiting.iter().map(|(position, _)| *position).min();
        let needed = self.store.needed_from();
        let from = match (on_their_way, needed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.log.trim(from);
    }

    fn maintain(&mut self, evict_before: Option<Position>) -> Result<(), StoreError> {
        self.clock = self.clock.plus(Duration::from_nanos(3));
        self.store.maintain(self.clock, LogPressure { evict_before })?;
        if let Some(before) = evict_before {
            assert!(self.store.needed_from().is_none_or(|needed| needed >= before));
        }
        self.trim();
        Ok(())
    }

    /// Stops where the disk refuses.
    fn work(&mut self, work: Work) -> Result<(), StoreError> {
        match work {
            Work::Append(sent, waits) => self.append(&sent, waits)?,
            Work::Logs(records, waits) => self.append_logs(records, waits)?,
            Work::Arrive(which) if !self.waiting.is_empty() => {
                let (_, record) = self.waiting.remove(which.index(self.waiting.len()));
                self.log.push(record);
            }
            Work::Arrive(_) => {}
            Work::Maintain => self.maintain(None)?,
            Work::Press(up_to) => self.maintain(Some(Position(up_to.index(self.log.end as usize + 1) as u64)))?,
            Work::Flush => {
                self.store.flush()?;
                assert_eq!(self.store.needed_from(), None);
                self.trim();
            }
            Work::Join => drop(join(&self.store)?),
        }
        Ok(())
    }

    /// Another process takes over.
    fn begin_anew(mut self, power_went: bool) -> Self {
        drop(self.store);
        if power_went {
            self.disk.power_back();
        }
        self.store = open(&self.dir, &self.disk);
        self.log.replay(&self.store).expect("records of this folder");
        // What was not in the log is there if it was in the history already, or else it was never answered.
        let there: BTreeSet<_> = all_points(&self.store).into_iter().collect();
        let there_logs: BTreeSet<_> = all_logs(&self.store).into_iter().collect();
        for (points, times) in self.waiting.drain(..).map(|(_, record)| contents(&record)) {
            self.points.retain(|point| there.contains(point) || !points.contains(point));
            self.logs.retain(|time| there_logs.contains(time) || !times.contains(time));
        }
        self
    }

    fn check(&self) {
        let mut points = all_points(&self.store);
        points.sort_unstable();
        assert_eq!(points, self.points.iter().copied().collect::<Vec<_>>());
        assert_eq!(all_logs(&self.store), self.logs.iter().copied().collect::<Vec<_>>());
    }
}

fn open(dir: &tempfile::TempDir, disk: &PowerCutDisk) -> Arc<Store> {
    let options = StoreOptions { hot_bytes: 2048, hot_age: Duration::from_nanos(8), ..StoreOptions::default() };
    Store::open_on(dir.path(), options, Arc::new(disk.clone())).expect("a good folder")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_answered_is_there_exactly_once_whatever_happens(
        steps in prop::collection::vec(step(), 1..30),
        seed in 1..u64::MAX,
    ) {
        let (dir, disk) = (folder(), PowerCutDisk::new(seed));
        let mut estate = Estate {
            store: open(&dir, &disk),
            dir,
            disk,
            log: Log::default(),
            waiting: Vec::new(),
            points: BTreeSet::new(),
            logs: BTreeSet::new(),
            clock: UnixNanos(0),
            records: 0,
        };
        for step in steps {
            match step {
                Step::Work(work) => estate.work(work).expect("the power is on"),
                Step::Crash => estate = estate.begin_anew(false),
                Step::PowerCut(operations, work) => {
                    estate.disk.cut_after(operations);
                    let _ = estate.work(work);
                    estate = estate.begin_anew(true);
                }
            }
            estate.check();
        }
        estate.begin_anew(true).check();
    }
}
