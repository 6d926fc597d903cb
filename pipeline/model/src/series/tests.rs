//! The registry, and what leaves its memory.

use super::*;

#[test]
fn the_same_labels_are_the_same_series_and_ids_do_not_depend_on_the_process() {
    let registry = SeriesRegistry::new(10);
    let a = registry.resolve("m", Shape::Numbers, &[("a", "1"), ("b", "2")], UnixNanos(5)).expect("below the cap");
    let again = registry.resolve("m", Shape::Numbers, &[("a", "1"), ("b", "2")], UnixNanos(9)).expect("below the cap");
    let other = registry.resolve("m", Shape::Numbers, &[("a", "12"), ("b", "")], UnixNanos(9)).expect("below the cap");
    assert_eq!(a, again);
    assert_ne!(a, other);
    let view = registry.labels_in_memory();
    assert_eq!(view.labels(a).collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    assert_eq!(view.first_at(a), UnixNanos(5));
    assert_eq!(view.id(a), series_id("m", &[("a", "1"), ("b", "2")]));
}

#[test]
fn a_new_series_over_the_cap_is_refused_and_known_ones_go_on() {
    let registry = SeriesRegistry::new(1);
    let known = registry.resolve("m", Shape::Numbers, &[("a", "1")], UnixNanos(0));
    assert_eq!(
        registry.resolve("m", Shape::Numbers, &[("a", "2")], UnixNanos(0)),
        Err(SeriesCapReached::Active { cap: 1 }.into())
    );
    assert_eq!(registry.resolve("m", Shape::Numbers, &[("a", "1")], UnixNanos(0)), known);
    // And nobody who reads is disturbed by it.
    let _reader = registry.read();
    assert!(registry.resolve("m", Shape::Numbers, &[("a", "3")], UnixNanos(0)).is_err());
}

#[test]
fn a_registry_out_of_memory_knows_what_it_knew_and_takes_no_new_series() {
    let registry = SeriesRegistry::new(1_000);
    registry.bound(1_000, 2_000);
    let pod = |number: usize| format!("checkout-{number}");
    let resolve = |number| registry.resolve("m", Shape::Numbers, &[("pod", &pod(number))], UnixNanos(0));
    let taken = (0..).take_while(|&number| resolve(number).is_ok()).count();
    assert!((5..15).contains(&taken) && registry.bytes() < 2_300, "{taken} of {} bytes", registry.bytes());
    assert_eq!(resolve(taken), Err(SeriesCapReached::Memory { bytes_max: 2_000 }.into()));
    assert!(resolve(0).is_ok());
    registry.bound(1_000, 4_000);
    assert!(resolve(taken).is_ok());
}

#[test]
fn the_names_of_streams_are_reserved() {
    let registry = SeriesRegistry::new(10);
    for name in [LOGS, SPANS, TEXTS] {
        let refused = Err(ResolveError::Shape { known: Shape::Streams, asked: Shape::Numbers });
        assert_eq!(registry.resolve(name, Shape::Numbers, &[], UnixNanos(0)), refused);
        assert!(registry.resolve(name, Shape::Streams, &[], UnixNanos(0)).is_ok());
    }
}

#[test]
fn an_empty_description_never_overwrites() {
    let registry = SeriesRegistry::new(1);
    registry.describe("m", &MetricInfo { unit: "s".into(), help: "time".into(), ..MetricInfo::default() });
    registry.describe("m", &MetricInfo { help: "time spent".into(), ..MetricInfo::default() });
    let view = registry.read();
    let info = view.info(view.metric("m").expect("described"));
    assert_eq!((info.unit.as_str(), info.help.as_str(), info.original.as_str()), ("s", "time spent", "m"));
}

mod cold {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicU32};
    use std::time::Duration;

    use parking_lot::Mutex;
    use proptest::prelude::*;

    use super::*;

    const IDLE: Duration = Duration::from_secs(3600);

    type Labels = Vec<(String, String)>;

    /// An archive in memory, which may be behind, fail, or mix up what it has.
    #[derive(Debug, Default)]
    struct Shelf {
        labels: Mutex<Vec<Labels>>,
        end: AtomicU32,
        fails: AtomicBool,
        reads: AtomicU32,
    }

    impl Archive for Shelf {
        fn end(&self) -> u32 {
            self.end.load(Ordering::Relaxed)
        }

        fn read(&self, series: &[SeriesRef], each: &mut EachLabels<'_>) -> Result<(), ColdError> {
            assert!(series.is_sorted_by(|a, b| a < b) && series.iter().all(|series| series.0 < self.end()));
            if self.fails.load(Ordering::Relaxed) {
                return Err(ColdError("the disk is gone".to_owned()));
            }
            for &series in series {
                self.reads.fetch_add(1, Ordering::Relaxed);
                let labels = self.labels.lock();
                let labels = &labels[series.0 as usize];
                each(series, &labels.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>());
            }
            Ok(())
        }
    }

    /// A registry with its archive, as a process has it.
    struct Estate {
        registry: SeriesRegistry,
        shelf: Arc<Shelf>,
        now: i64,
    }

    impl Estate {
        fn new() -> Self {
            let (registry, shelf) = (SeriesRegistry::new(1_000_000), Arc::<Shelf>::default());
            registry.set_archive(Arc::<Shelf>::clone(&shelf));
            let estate = Self { registry, shelf, now: 1_000_000 };
            // Until the first sweep nothing is said of when series were made.
            estate.sweep().expect("nothing to read");
            estate
        }

        fn at(&self) -> UnixNanos {
            UnixNanos::from_secs(self.now)
        }

        fn resolve(&self, labels: &[(&str, &str)]) -> SeriesRef {
            let resolved = self.registry.resolve("m", Shape::Numbers, labels, self.at());
            resolved.expect("below the cap")
        }

        fn touch(&self, series: SeriesRef) {
            self.registry.read().touch(series, self.at().0);
        }

        /// What a store does when its journal catches up.
        fn archive(&self) {
            let view = self.registry.labels_in_memory();
            let mut all = self.shelf.labels.lock();
            for series in (all.len() as u32..view.series_count() as u32).map(SeriesRef) {
                all.push(view.labels(series).map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
            }
            self.shelf.end.store(all.len() as u32, Ordering::Relaxed);
        }

        fn sweep(&self) -> Result<Swept, ColdError> {
            self.registry.sweep(self.at(), IDLE)
        }

        /// Lets everything that was made grow old: that it was made since one sweep is known from the next one on.
        fn grow_old(&mut self) -> Result<Swept, ColdError> {
            self.now += 10;
            self.sweep()?;
            self.now += 4000;
            self.sweep()
        }

        fn labels(&self, series: SeriesRef) -> Result<Labels, ColdError> {
            let view = self.registry.labels_of(&[series])?;
            Ok(view.labels(series).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
        }
    }

    fn pod(number: u32) -> (String, String) {
        (format!("pod-{number}"), format!("uid-{number}"))
    }

    fn churn(estate: &Estate, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let (pod, uid) = pod(number);
            estate.touch(estate.resolve(&[("namespace", "shop"), ("pod", &pod), ("uid", &uid)]));
        }
        estate.archive();
    }

    #[test]
    fn labels_of_idle_series_leave_with_their_strings_and_can_be_read_all_the_same() {
        let mut estate = Estate::new();
        churn(&estate, 0..1000);
        let full = estate.registry.bytes();
        estate.now += 10;
        assert_eq!(estate.sweep(), Ok(Swept::default()), "made since the last sweep");
        estate.now += 3000;
        (0..10).for_each(|number| estate.touch(SeriesRef(number)));
        assert_eq!(estate.sweep(), Ok(Swept::default()), "made within the hour");
        estate.now += 3000;
        assert_eq!(estate.sweep(), Ok(Swept { left: 990, returned: 0 }));
        assert_eq!((estate.registry.in_memory(), estate.registry.len(), estate.registry.active()), (10, 1000, 10));
        let per_series = estate.registry.bytes() / 1000;
        assert!(per_series < 70 && full / 1000 > 250, "{per_series} bytes a series, of {}", full / 1000);
        assert!(estate.registry.labels_in_memory().symbol("pod-500").is_none());

        let asked: Vec<_> = [999, 3, 500, 500].map(SeriesRef).into();
        let view = estate.registry.labels_of(&asked).expect("a good archive");
        for &series in &asked {
            let (pod, uid) = pod(series.0);
            let labels = [("namespace", "shop"), ("pod", pod.as_str()), ("uid", uid.as_str())];
            assert_eq!(view.labels(series).collect::<Vec<_>>(), labels);
            assert_eq!(view.label(series, "uid").map(AsRef::as_ref), Some(uid.as_str()));
            assert_eq!(view.id(series), series_id("m", &labels));
        }
        let shop = view.symbol("shop").expect("a string of many");
        assert!(asked.iter().all(|&series| view.label_symbols(series)[0].1 == shop), "one string, one symbol");
        assert_eq!(view.symbol("pod-500").map(|symbol| view.text(symbol).as_ref()), Some("pod-500"));
        assert_eq!(
            view.label_names(MetricRef(0)).iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            ["namespace", "pod", "uid"]
        );
        drop(view);
        assert_eq!((estate.registry.in_memory(), estate.shelf.reads.load(Ordering::Relaxed)), (10, 2));
    }

    #[test]
    fn a_series_that_comes_back_has_its_number_and_after_a_sweep_its_labels() {
        let mut estate = Estate::new();
        churn(&estate, 0..100);
        assert_eq!(estate.grow_old(), Ok(Swept { left: 100, returned: 0 }));
        let cold = estate.registry.bytes();
        churn(&estate, 7..8);
        assert_eq!((estate.registry.len(), estate.shelf.reads.load(Ordering::Relaxed)), (100, 0), "known by its id");
        estate.now += 10;
        assert_eq!(estate.sweep(), Ok(Swept { left: 0, returned: 1 }));
        assert!(estate.registry.labels_in_memory().has(SeriesRef(7)) && estate.registry.bytes() > cold);
        estate.now += 4000;
        assert_eq!(estate.sweep(), Ok(Swept { left: 1, returned: 0 }));
        assert_eq!(estate.registry.bytes(), cold, "nothing is left behind");
    }

    #[test]
    fn what_is_not_in_the_archive_stays() {
        let mut estate = Estate::new();
        churn(&estate, 0..10);
        let last = estate.resolve(&[("pod", "not written down")]);
        assert_eq!(estate.grow_old().map(|swept| swept.left), Ok(10));
        assert!(estate.registry.labels_in_memory().has(last));
        let alone = SeriesRegistry::new(10);
        alone.resolve("m", Shape::Numbers, &[("a", "b")], UnixNanos(0)).expect("below the cap");
        alone.sweep(UnixNanos::from_secs(1), IDLE).expect("nothing to read");
        alone.sweep(UnixNanos::from_secs(9_999), IDLE).expect("nothing to read");
        assert_eq!((alone.active(), alone.in_memory()), (0, 1), "and all does where there is none");
    }

    #[test]
    fn an_archive_that_fails_or_errs_costs_labels_and_nothing_else() {
        let mut estate = Estate::new();
        churn(&estate, 0..10);
        estate.grow_old().expect("nothing to read");
        estate.shelf.fails.store(true, Ordering::Relaxed);
        let error = estate.labels(SeriesRef(3)).expect_err("no disk").to_string();
        assert_eq!(error, "the labels of idle series can't be read back: the disk is gone");
        churn(&estate, 3..4);
        churn(&estate, 10..11);
        estate.now += 10;
        assert!(estate.sweep().is_err());
        assert_eq!((estate.registry.len(), estate.registry.active()), (11, 2));
        estate.shelf.fails.store(false, Ordering::Relaxed);
        estate.now += 10;
        assert_eq!(estate.sweep().map(|swept| swept.returned), Ok(1));

        estate.shelf.labels.lock().swap(4, 5);
        let error = estate.labels(SeriesRef(4)).expect_err("another series").to_string();
        assert!(error.ends_with("what stands there of series 4 is not that series"), "{error}");
        estate.touch(SeriesRef(5));
        estate.now += 10;
        assert!(estate.sweep().is_err());
        assert!(!estate.registry.labels_in_memory().has(SeriesRef(5)));
    }

    #[test]
    fn what_the_process_before_knew_is_there_without_its_labels() {
        let estate = Estate::new();
        churn(&estate, 0..10);
        let again = SeriesRegistry::new(1000);
        for number in 0..10 {
            let labels = estate.labels(SeriesRef(number)).expect("in memory");
            let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
            for _ in 0..2 {
                let series = again.remember("m", Shape::Numbers, &labels, UnixNanos(7), number < 3);
                assert_eq!(series, Ok(SeriesRef(number)));
            }
        }
        again.set_archive(Arc::<Shelf>::clone(&estate.shelf));
        assert_eq!((again.len(), again.in_memory()), (10, 3));
        let all: Vec<_> = (0..10).map(SeriesRef).collect();
        let (before, after) =
            (estate.registry.labels_of(&all).expect("in memory"), again.labels_of(&all).expect("a good archive"));
        for &series in &all {
            assert!(after.labels(series).eq(before.labels(series)));
            assert_eq!((after.id(series), after.first_at(series)), (before.id(series), UnixNanos(7)));
        }
        assert_eq!(after.label_names(MetricRef(0)), before.label_names(MetricRef(0)));
    }

    /// What happens, and to which label set.
    #[derive(Debug, Clone)]
    enum Step {
        Resolve(u8, u8),
        Touch(usize),
        Archive,
        Sweep(i64),
        Labels(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6_u8, 0..6_u8).prop_map(|(a, b)| Step::Resolve(a, b)),
            4 => (0..40_usize).prop_map(Step::Touch),
            1 => Just(Step::Archive),
            3 => prop_oneof![0..30_i64, 600..4_000_i64].prop_map(Step::Sweep),
            3 => (0..40_usize, 0..40_usize).prop_map(|(from, to)| Step::Labels(from, to)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_leaves_and_returns_the_registry_does_what_a_map_would(steps in prop::collection::vec(step(), 1..80)) {
            let mut estate = Estate::new();
            let mut numbers: BTreeMap<Labels, u32> = BTreeMap::new();
            let mut last_at: Vec<i64> = Vec::new();
            for step in steps {
                match step {
                    Step::Resolve(a, b) => {
                        // Names and values share strings.
                        let words = ["a", "b", "zone", "c", "d", ""];
                        let pairs = [("a", words[a as usize]), ("zone", words[b as usize])];
                        let pairs: Vec<_> = pairs.into_iter().filter(|pair| !pair.1.is_empty()).collect();
                        let next = numbers.len() as u32;
                        let key = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
                        let expected = *numbers.entry(key).or_insert(next);
                        last_at.resize(numbers.len(), i64::MIN);
                        prop_assert_eq!(estate.resolve(&pairs), SeriesRef(expected));
                    }
                    Step::Touch(which) if !last_at.is_empty() => {
                        let which = which % last_at.len();
                        last_at[which] = estate.now;
                        estate.touch(SeriesRef(which as u32));
                    }
                    Step::Archive => estate.archive(),
                    Step::Sweep(secs) => {
                        estate.now += secs;
                        let before = estate.registry.in_memory();
                        let Swept { left, returned } = estate.sweep().expect("a good archive");
                        prop_assert_eq!(estate.registry.in_memory(), before + returned - left);
                        let view = estate.registry.labels_in_memory();
                        let archived = estate.shelf.end();
                        for (number, at) in last_at.iter().enumerate().take_while(|_| secs >= 10) {
                            let is_alive = *at > estate.now - 3600;
                            let has = view.has(SeriesRef(number as u32));
                            prop_assert!(has || !is_alive && (number as u32) < archived, "{} is gone", number);
                        }
                    }
                    Step::Labels(from, to) if !last_at.is_empty() => {
                        let asked: Vec<_> = [from, to].map(|which| SeriesRef((which % last_at.len()) as u32)).into();
                        let view = estate.registry.labels_of(&asked).expect("a good archive");
                        let (one, other) = (asked[0], asked[1]);
                        for &(_, value) in view.label_symbols(one) {
                            for &(_, another) in view.label_symbols(other) {
                                prop_assert_eq!(value == another, view.text(value) == view.text(another));
                            }
                        }
                    }
                    Step::Touch(_) | Step::Labels(..) => {}
                }
                prop_assert_eq!(estate.registry.len(), numbers.len());
            }
            for (labels, number) in &numbers {
                prop_assert_eq!(&estate.labels(SeriesRef(*number)).expect("a good archive"), labels);
            }
            // Nothing that left is counted, and nothing that is there is not.
            estate.archive();
            estate.grow_old().expect("a good archive");
            let fresh = Estate::new();
            for (labels, number) in numbers.iter().map(|(labels, number)| (number, labels)).collect::<BTreeMap<_, _>>() {
                let pairs: Vec<_> = number.iter().map(|(name, value)| (&**name, &**value)).collect();
                let remembered = fresh.registry.remember("m", Shape::Numbers, &pairs, UnixNanos(0), false);
                prop_assert_eq!(remembered, Ok(SeriesRef(*labels)));
            }
            prop_assert_eq!((estate.registry.in_memory(), fresh.registry.in_memory()), (0, 0));
            prop_assert!(numbers.is_empty() || estate.registry.bytes() == fresh.registry.bytes());
        }
    }
}
