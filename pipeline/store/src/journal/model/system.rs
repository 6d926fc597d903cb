//! The real registry and its journal, put through the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball_log::simulation::PowerCutDisk;
use flyball_model::series::{ResolveError, series_id};
use flyball_model::{MetricInfo, SeriesRef, SeriesRegistry, Shape};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use super::reference::{End, Extent, IDLE, Name, Reference, Step, at};
use crate::StoreError;
use crate::folder::Folder;
use crate::journal::writer::Journal;

/// The registry of one process after the other.
pub(super) struct System {
    disk: PowerCutDisk,
    journal: Journal,
    registry: SeriesRegistry,
    /// What the last one who asked for a series was told.
    answer: Result<usize, ResolveError>,
}

fn open(disk: &PowerCutDisk, cap: usize) -> Result<(Journal, SeriesRegistry), StoreError> {
    let (journal, registry) = Journal::open(&Folder { path: "/data".into(), storage: Arc::new(disk.clone()) }, cap)?;
    registry.bound(cap, usize::MAX);
    Ok((journal, registry))
}

fn resolve(registry: &SeriesRegistry, name: &Name, shape: Shape, first_at: i64) -> Result<usize, ResolveError> {
    let labels: Vec<_> = name.1.iter().map(|(name, value)| (*name, *value)).collect();
    registry.resolve(name.0, shape, &labels, at(first_at)).map(|series| series.0 as usize)
}

fn describe(registry: &SeriesRegistry, metric: &str, unit: &str) {
    registry.describe(metric, &MetricInfo { unit: unit.to_owned(), ..MetricInfo::default() });
}

impl System {
    fn end(&mut self, end: &End, reference: &Reference) {
        let bytes = self.is_as(&reference.durable).then(|| self.registry.bytes()).filter(|_| self.has_all_labels());
        if let End::PowerCut { while_catching_up, again } = end {
            if let Some(after) = while_catching_up {
                self.disk.cut_after(*after);
                // The power may have gone before it was done.
                let _ = self.journal.catch_up(&self.registry);
            }
            self.disk.power_back();
            if let Some(after) = again {
                self.disk.cut_after(*after);
                // Whatever it came to, the next one must go well.
                let _ = open(&self.disk, reference.cap);
                self.disk.power_back();
            }
        }
        (self.journal, self.registry) = open(&self.disk, reference.cap).expect("a good disk");
        self.check_found(reference);
        if let (Some(before), Some(now)) = (bytes, self.bytes_of_all())
            && self.is_as(&reference.durable)
        {
            assert_eq!(now, before, "the same names take the same memory");
        }
        self.bring_again(reference);
    }

    /// What it takes, if all labels are in memory.
    fn bytes_of_all(&self) -> Option<usize> {
        (self.registry.in_memory() == self.registry.len()).then(|| self.registry.bytes())
    }

    /// Whether there is this much of it, and no more.
    fn is_as(&self, extent: &Extent) -> bool {
        let view = self.registry.read();
        let unit = |metric| view.info(metric).unit.as_str();
        let known = |metric| extent.units.get(view.metric_name(metric).as_ref()).copied().unwrap_or_default();
        (view.series_count(), view.metric_count()) == (extent.series, extent.metrics)
            && view.metrics().all(|metric| unit(metric) == known(metric))
    }

    /// Whether no labels have left the memory.
    fn has_all_labels(&self) -> bool {
        self.registry.in_memory() == self.registry.len()
    }

    /// At least what must be in the journal, and no more than was ever given to it.
    fn check_found(&self, reference: &Reference) {
        let view = self.registry.read();
        let (series, metrics) = (view.series_count(), view.metric_count());
        let (durable, tried) = (&reference.durable, &reference.tried);
        assert!((durable.series..=tried.series).contains(&series), "{series} series of {durable:?} to {tried:?}");
        assert!((durable.metrics..=tried.metrics).contains(&metrics), "{metrics} metrics of {durable:?} to {tried:?}");
        if durable == tried {
            drop(view);
            assert!(self.is_as(durable), "nothing else was given to it");
        }
    }

    /// Senders bring again what was not kept, in the order in which they brought it, and it gets the numbers that it had.
    fn bring_again(&self, reference: &Reference) {
        self.registry.bound(usize::MAX, usize::MAX);
        for metric in &reference.metrics {
            describe(&self.registry, metric, reference.units.get(metric).copied().unwrap_or_default());
        }
        for (number, known) in reference.series.iter().enumerate() {
            assert_eq!(resolve(&self.registry, &known.name, known.shape, known.first_at), Ok(number));
        }
        self.registry.bound(reference.cap, usize::MAX);
    }
}

/// The test.
pub(super) struct RegistryTest;

impl StateMachineTest for RegistryTest {
    type SystemUnderTest = System;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> System {
        let disk = PowerCutDisk::new(reference.seed);
        let (journal, registry) = open(&disk, reference.cap).expect("a good disk");
        System { disk, journal, registry, answer: Ok(0) }
    }

    fn apply(mut system: System, reference: &Reference, step: Step) -> System {
        let count = reference.series.len().max(1);
        let chosen = |which: usize| SeriesRef((which % count) as u32);
        let is_any = !reference.series.is_empty();
        match &step {
            Step::Resolve { name, shape, secs } => {
                system.answer = resolve(&system.registry, name, *shape, reference.now - secs);
            }
            Step::Describe { metric, unit } => describe(&system.registry, metric, unit),
            Step::Point { which, secs, is_exact: true } if is_any => {
                system.registry.read().advance(chosen(*which), at(reference.now - secs).0);
            }
            Step::Point { which, secs, .. } if is_any => {
                system.registry.read().touch(chosen(*which), at(reference.now - secs).0);
            }
            Step::Start { which, secs } if is_any => {
                let before = system.registry.read().start_at(chosen(*which));
                let mut starts = vec![(chosen(*which), at(*secs))];
                system.registry.read().note_starts(&mut starts);
                assert_eq!(starts.is_empty(), before == Some(at(*secs)), "what is known is no news");
            }
            Step::Point { .. } | Step::Start { .. } => {}
            Step::Sweep { .. } => {
                system.registry.sweep(at(reference.now), IDLE).expect("a good disk");
            }
            Step::Bound { cap } => system.registry.bound(*cap, usize::MAX),
            Step::CatchUp { failure_one_in: 0 } => {
                system.journal.catch_up(&system.registry).expect("a good disk");
                assert_eq!(system.journal.catch_up(&system.registry).expect("a good disk"), 0, "nothing is left");
            }
            Step::CatchUp { failure_one_in } => {
                system.disk.fail_one_in(*failure_one_in);
                // It may have gone well.
                let _ = system.journal.catch_up(&system.registry);
                system.disk.fail_one_in(0);
            }
            Step::Restart(end) => system.end(end, reference),
        }
        system
    }

    fn check_invariants(system: &System, reference: &Reference) {
        let System { registry, .. } = system;
        assert_eq!(system.answer, reference.answer);
        assert_eq!(
            (registry.len(), registry.active(), registry.cap()),
            (reference.series.len(), reference.active, reference.cap)
        );
        let all: Vec<_> = (0..registry.len() as u32).map(SeriesRef).collect();
        let view = registry.labels_of(&all).expect("a good disk");
        let metrics: Vec<_> = view.metrics().map(|metric| view.metric_name(metric).as_ref()).collect();
        assert_eq!(metrics, reference.metrics);
        for metric in view.metrics() {
            let name = view.metric_name(metric).as_ref();
            let info = view.info(metric);
            assert_eq!(info.unit, reference.units.get(name).copied().unwrap_or_default());
            assert_eq!((info.shape, info.original.as_str()), (reference.shape_of(name), name));
            let of_it = reference.series.iter().enumerate().filter(|(_, one)| one.name.0 == name);
            let numbers: Vec<_> = of_it.clone().map(|(number, _)| SeriesRef(number as u32)).collect();
            assert_eq!(view.series_of(metric), numbers);
            let labels: BTreeSet<_> = of_it.flat_map(|(_, one)| one.name.1.keys().copied()).collect();
            assert!(view.label_names(metric).iter().map(AsRef::as_ref).eq(labels), "{name}");
        }
        for (number, known) in reference.series.iter().enumerate() {
            let series = SeriesRef(number as u32);
            let labels: Vec<_> = known.name.1.iter().map(|(name, value)| (*name, *value)).collect();
            assert_eq!(view.labels(series).collect::<Vec<_>>(), labels);
            assert_eq!(view.metric_name(view.metric_of(series)).as_ref(), known.name.0);
            assert_eq!(view.id(series), series_id(known.name.0, &labels));
            let times = (known.first_at, known.last_at, known.start_at);
            let found = (view.first_at(series), view.last_at(series), view.start_at(series));
            assert_eq!(found, (at(times.0), times.1.map(at), times.2.map(at)));
        }
    }

    /// In the end the journal catches up, the power goes, and every label set has the number that it had.
    fn teardown(system: System, reference: Reference) {
        let cut = End::PowerCut { while_catching_up: None, again: None };
        let last = [Step::CatchUp { failure_one_in: 0 }, Step::Restart(cut)];
        let (system, reference) = last.into_iter().fold((system, reference), |(system, reference), step| {
            let reference = Reference::apply(reference, &step);
            let system = Self::apply(system, &reference, step);
            Self::check_invariants(&system, &reference);
            (system, reference)
        });
        for (name, number) in &reference.numbers {
            let shape = reference.series[*number].shape;
            assert_eq!(resolve(&system.registry, name, shape, 0), Ok(*number));
        }
    }
}
