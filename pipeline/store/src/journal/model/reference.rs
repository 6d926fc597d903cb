//! The naive model: a map from label sets to numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::series::{LOGS, ResolveError, SeriesCapReached, is_stream_table};
use flyball_model::{Shape, UnixNanos};
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest_state_machine::ReferenceStateMachine;

/// A series without a point is active no longer than this.
pub(super) const IDLE: Duration = Duration::from_secs(3600);

/// Sweeps that follow each other sooner do nothing.
const SWEEP_SECS: i64 = 10;

const METRICS: [&str; 4] = ["a", "ab", LOGS, "http_requests_total"];
/// Names and values that look alike when they are put one behind the other.
const LABELS: [&str; 4] = ["a", "ab", "host", "z"];
const VALUES: [&str; 3] = ["bc", "c", "Zürich\n"];
const UNITS: [&str; 3] = ["", "s", "By"];
const SHAPES: [Shape; 3] = [Shape::Numbers, Shape::Histograms, Shape::Streams];

/// A metric and its labels.
pub(super) type Name = (&'static str, BTreeMap<&'static str, &'static str>);

/// What happens to a registry.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A series is asked for, `secs` ago by its first point.
    Resolve { name: Name, shape: Shape, secs: i64 },
    /// A metric's unit is told.
    Describe { metric: &'static str, unit: &'static str },
    /// One of the series has a point of so long ago; said in one of two ways.
    Point { which: usize, secs: i64, is_exact: bool },
    /// The sum of one of the series began.
    Start { which: usize, secs: i64 },
    /// Time passes, and active series are counted.
    Sweep { secs: i64 },
    /// The cap is changed.
    Bound { cap: usize },
    /// The journal catches up; one operation of the disk in so many fails, if it is not 0.
    CatchUp { failure_one_in: u64 },
    /// The process ends, and another one begins.
    Restart(End),
}

/// How a process ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// `kill -9`: what was handed to the operating system stays.
    Kill,
    /// The power goes, after so many operations of catching up if there is a number; maybe once more when the journal is opened.
    PowerCut { while_catching_up: Option<u64>, again: Option<u64> },
}

/// How a series that has no point within the idle time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Youth {
    /// Made since the last sweep.
    New,
    /// Made before this sweep, and after the one before it.
    Since(i64),
    /// It was there before the first sweep of the process.
    Old,
}

#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: Name,
    pub(super) shape: Shape,
    /// Seconds, as all times here.
    pub(super) first_at: i64,
    pub(super) last_at: Option<i64>,
    pub(super) start_at: Option<i64>,
    youth: Youth,
}

/// How much of it there was at a time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Extent {
    pub(super) series: usize,
    pub(super) metrics: usize,
    pub(super) units: BTreeMap<&'static str, &'static str>,
}

/// The model.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// Seed of what the disk does.
    pub(super) seed: u64,
    pub(super) cap: usize,
    pub(super) now: i64,
    pub(super) numbers: BTreeMap<Name, usize>,
    /// By number.
    pub(super) series: Vec<Known>,
    /// By number.
    pub(super) metrics: Vec<&'static str>,
    pub(super) units: BTreeMap<&'static str, &'static str>,
    pub(super) active: usize,
    swept_at: Option<i64>,
    /// What the journal must have.
    pub(super) durable: Extent,
    /// What was given to it, on a disk that may have failed.
    pub(super) tried: Extent,
    /// What the last one who asked for a series is told.
    pub(super) answer: Result<usize, ResolveError>,
}

impl Reference {
    /// What the points of a metric are made of, as its first series says.
    pub(super) fn shape_of(&self, metric: &str) -> Option<Shape> {
        self.series.iter().find(|series| series.name.0 == metric).map(|series| series.shape)
    }

    fn extent(&self) -> Extent {
        Extent { series: self.series.len(), metrics: self.metrics.len(), units: self.units.clone() }
    }

    fn meet(&mut self, metric: &'static str) {
        if !self.metrics.contains(&metric) {
            self.metrics.push(metric);
        }
    }

    fn resolve(&mut self, name: &Name, shape: Shape, first_at: i64) -> Result<usize, ResolveError> {
        if let Some(&number) = self.numbers.get(name) {
            let known = self.series[number].shape;
            return if known == shape { Ok(number) } else { Err(ResolveError::Shape { known, asked: shape }) };
        }
        if self.active >= self.cap {
            return Err(SeriesCapReached::Active { cap: self.cap }.into());
        }
        self.meet(name.0);
        let reserved = is_stream_table(name.0).then_some(Shape::Streams);
        if let Some(known) = self.shape_of(name.0).or(reserved).filter(|&known| known != shape) {
            return Err(ResolveError::Shape { known, asked: shape });
        }
        let number = self.series.len();
        self.numbers.insert(name.clone(), number);
        let youth = if self.swept_at.is_some() { Youth::New } else { Youth::Old };
        self.series.push(Known { name: name.clone(), shape, first_at, last_at: None, start_at: None, youth });
        self.active += 1;
        Ok(number)
    }

    fn sweep(&mut self, secs: i64) {
        self.now += secs;
        let now = self.now;
        if self.swept_at.is_some_and(|last| now - last < SWEEP_SECS) {
            return;
        }
        self.swept_at = Some(now);
        let is_lately = |at: i64| now - at < IDLE.as_secs() as i64;
        let is_young = |youth: Youth| match youth {
            Youth::New => true,
            Youth::Since(at) => is_lately(at),
            Youth::Old => false,
        };
        self.active =
            self.series.iter().filter(|one| is_young(one.youth) || one.last_at.is_some_and(is_lately)).count();
        for one in self.series.iter_mut().filter(|one| one.youth == Youth::New) {
            one.youth = Youth::Since(now);
        }
    }

    /// What was given to the journal is there afterwards, since its senders bring again what was not kept.
    fn restart(&mut self) {
        let Extent { series, metrics, units } = self.tried.clone();
        self.series.truncate(series);
        self.metrics.truncate(metrics);
        self.numbers.retain(|_, number| *number < series);
        self.units = units;
        for one in &mut self.series {
            (one.last_at, one.start_at, one.youth) = (None, None, Youth::Old);
        }
        (self.active, self.swept_at) = (series, None);
    }

    fn chosen(&mut self, which: usize) -> Option<&mut Known> {
        let count = self.series.len().max(1);
        self.series.get_mut(which % count)
    }
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        (any::<u64>(), 1..14_usize)
            .prop_map(|(seed, cap)| Self {
                seed,
                cap,
                now: 100_000,
                numbers: BTreeMap::new(),
                series: Vec::new(),
                metrics: Vec::new(),
                units: BTreeMap::new(),
                active: 0,
                swept_at: None,
                durable: Extent::default(),
                tried: Extent::default(),
                answer: Ok(0),
            })
            .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let metric = || prop::sample::select(&METRICS[..]);
        let labels =
            prop::collection::btree_map(prop::sample::select(&LABELS[..]), prop::sample::select(&VALUES[..]), 0..4);
        let shape = prop_oneof![6 => Just(None), 1 => prop::sample::select(&SHAPES[..]).prop_map(Some)];
        let known: Vec<_> = state.series.iter().map(|one| one.name.clone()).chain([("a", BTreeMap::new())]).collect();
        // Half of them are known already.
        let name = prop_oneof![(metric(), labels), prop::sample::select(known)];
        let resolve = (name, shape, 0..100_i64).prop_map(|(name, shape, secs)| {
            let usual = if is_stream_table(name.0) { Shape::Streams } else { Shape::Numbers };
            Step::Resolve { shape: shape.unwrap_or(usual), name, secs }
        });
        let describe = (metric(), prop::sample::select(&UNITS[..]));
        let end = prop_oneof![
            Just(End::Kill),
            (prop::option::of(0..5_u64), prop::option::of(0..4_u64))
                .prop_map(|(while_catching_up, again)| End::PowerCut { while_catching_up, again }),
        ];
        prop_oneof![
            12 => resolve,
            1 => describe.prop_map(|(metric, unit)| Step::Describe { metric, unit }),
            4 => (0..20_usize, -5..5_000_i64, any::<bool>())
                .prop_map(|(which, secs, is_exact)| Step::Point { which, secs, is_exact }),
            1 => (0..20_usize, 0..3_i64).prop_map(|(which, secs)| Step::Start { which, secs }),
            3 => prop_oneof![0..20_i64, 600..4_000_i64].prop_map(|secs| Step::Sweep { secs }),
            1 => (1..14_usize).prop_map(|cap| Step::Bound { cap }),
            3 => prop_oneof![Just(0), 1..5_u64].prop_map(|failure_one_in| Step::CatchUp { failure_one_in }),
            2 => end.prop_map(Step::Restart),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        let now = state.now;
        match step {
            Step::Resolve { name, shape, secs } => state.answer = state.resolve(name, *shape, now - secs),
            Step::Describe { metric, unit } => {
                state.meet(metric);
                if !unit.is_empty() {
                    state.units.insert(metric, unit);
                }
            }
            Step::Point { which, secs, .. } => {
                if let Some(one) = state.chosen(*which) {
                    one.last_at = one.last_at.max(Some(now - secs));
                }
            }
            Step::Start { which, secs } => {
                if let Some(one) = state.chosen(*which) {
                    one.start_at = Some(*secs);
                }
            }
            Step::Sweep { secs } => state.sweep(*secs),
            Step::Bound { cap } => state.cap = *cap,
            Step::CatchUp { failure_one_in } => {
                state.tried = state.extent();
                if *failure_one_in == 0 {
                    state.durable = state.extent();
                }
            }
            Step::Restart(end) => {
                if matches!(end, End::PowerCut { while_catching_up: Some(_), .. }) {
                    state.tried = state.extent();
                }
                state.restart();
            }
        }
        state
    }
}

/// Seconds as the registry has them.
pub(super) fn at(secs: i64) -> UnixNanos {
    UnixNanos::from_secs(secs)
}
