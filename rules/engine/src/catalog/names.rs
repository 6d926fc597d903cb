//! Other names of metrics: the original one, those of a translation, and the same in other case.
//!
//! An exact name is a look-up in the registry and never comes here. For the others there is an index of hashes, built when a
//! name is first asked for that is not exact, and brought up to date when the registry has changed: a look-up among 100,000 metrics
//! does not walk them. It holds no text; what it finds is checked against the registry, so entries of the past do no harm.

use std::hash::{BuildHasher, RandomState};

use flyball_model::series::{RegistryView, is_stream_table};
use flyball_model::{Kind, MetricInfo, MetricRef};
use hashbrown::HashTable;

use super::translation::translated;

/// A way in which a metric may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was sent: `http.server.duration`.
    Original,
    /// As exporters to Prometheus would call it: `http_server_duration_seconds`; and a counter without its `_total`, as OpenMetrics
    /// calls the family.
    Translated,
    /// Its name in lower case, where it has capitals.
    LowerCase,
}

/// The index. Locked while a name is looked up; never while the registry is asked for another look.
#[derive(Debug, Default)]
pub(super) struct Names {
    hasher: RandomState,
    entries: HashTable<Entry>,
    /// The version of each metric's description at the last look.
    seen: Vec<u64>,
    version: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    hash: u64,
    metric: MetricRef,
    form: Form,
}

/// Entries of the past are kept until there are this many times as many entries as metrics.
const ENTRIES_PER_METRIC_MAX: usize = 8;

impl Names {
    /// The metrics that are called `name` in this form, oldest first.
    pub(super) fn find(&mut self, view: &RegistryView<'_>, form: Form, name: &str) -> Vec<MetricRef> {
        self.refresh(view);
        let hash = self.hasher.hash_one(name);
        let mut found: Vec<_> = self
            .entries
            .iter_hash(hash)
            .filter(|entry| entry.hash == hash && entry.form == form)
            .map(|entry| entry.metric)
            .filter(|&metric| forms(view, metric).any(|(other, text)| other == form && text == name))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn refresh(&mut self, view: &RegistryView<'_>) {
        let version = view.names_version();
        if self.version == Some(version) {
            return;
        }
        if self.entries.len() > view.metric_count() * ENTRIES_PER_METRIC_MAX {
            self.entries.clear();
            self.seen.clear();
        }
        for metric in view.metrics() {
            let described = view.info_version(metric);
            match self.seen.get_mut(metric.0 as usize) {
                Some(seen) if *seen == described => continue,
                Some(seen) => *seen = described,
                None => self.seen.push(described),
            }
            for (form, text) in forms(view, metric) {
                self.insert(Entry { hash: self.hasher.hash_one(&*text), metric, form });
            }
        }
        self.version = Some(version);
    }

    fn insert(&mut self, entry: Entry) {
        if self.entries.find(entry.hash, |other| *other == entry).is_none() {
            self.entries.insert_unique(entry.hash, entry, |entry| entry.hash);
        }
    }
}

/// What a metric is called beside its name.
fn forms(view: &RegistryView<'_>, metric: MetricRef) -> impl Iterator<Item = (Form, String)> {
    let (name, info) = (view.metric_name(metric), view.info(metric));
    let mut forms = Vec::new();
    if !is_stream_table(name) {
        let original = (Form::Original, info.original.clone());
        let others = translations(name, info).into_iter().map(|text| (Form::Translated, text));
        let lower = (Form::LowerCase, name.to_ascii_lowercase());
        forms.extend([original].into_iter().chain(others).chain([lower]).filter(|(_, text)| text.as_str() != &**name));
    }
    forms.into_iter()
}

fn translations(name: &str, info: &MetricInfo) -> Vec<String> {
    let mut names = translated(info);
    if let Some(family) = name.strip_suffix("_total").filter(|family| !family.is_empty())
        && matches!(info.kind, Kind::Counter | Kind::Unknown)
    {
        names.push(family.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use flyball_model::{SeriesRegistry, Shape, UnixNanos};

    use super::*;

    fn describe(registry: &SeriesRegistry, metric: &str, original: &str, unit: &str, kind: Kind) {
        let info = MetricInfo { original: original.into(), unit: unit.into(), kind, ..MetricInfo::default() };
        registry.describe(metric, &info);
    }

    fn find(names: &mut Names, registry: &SeriesRegistry, form: Form, name: &str) -> Vec<String> {
        let view = registry.read();
        names.find(&view, form, name).into_iter().map(|metric| view.metric_name(metric).to_string()).collect()
    }

    #[test]
    fn every_form_finds_its_metrics() {
        let registry = SeriesRegistry::new(10);
        describe(&registry, "http_server_duration", "http.server.duration", "s", Kind::Histogram);
        describe(&registry, "node_memory_Active_bytes", "", "", Kind::Gauge);
        describe(&registry, "scaph_host_energy_microjoules_total", "", "", Kind::Counter);
        let mut names = Names::default();
        for (form, name, expected) in [
            (Form::Original, "http.server.duration", "http_server_duration"),
            (Form::Translated, "http_server_duration_seconds", "http_server_duration"),
            (Form::LowerCase, "node_memory_active_bytes", "node_memory_Active_bytes"),
            (Form::Translated, "scaph_host_energy_microjoules", "scaph_host_energy_microjoules_total"),
        ] {
            assert_eq!(find(&mut names, &registry, form, name), [expected], "{name}");
        }
        for (form, name) in [
            (Form::Original, "http_server_duration"),
            (Form::Translated, "http.server.duration"),
            (Form::LowerCase, "http_server_duration"),
        ] {
            assert_eq!(find(&mut names, &registry, form, name), [""; 0], "{name}");
        }
    }

    #[test]
    fn the_index_follows_the_registry() {
        let registry = SeriesRegistry::new(10);
        let mut names = Names::default();
        let mut seconds = |registry: &SeriesRegistry| find(&mut names, registry, Form::Translated, "a_seconds");
        registry.resolve("a", Shape::Numbers, &[], UnixNanos(0)).expect("below the cap");
        assert_eq!(seconds(&registry), [""; 0]);
        describe(&registry, "a", "a", "s", Kind::Gauge);
        assert_eq!(seconds(&registry), ["a"], "described later than it came");
        describe(&registry, "a.b", "a", "s", Kind::Gauge);
        assert_eq!(seconds(&registry), ["a", "a.b"]);
        describe(&registry, "a", "", "ms", Kind::Gauge);
        assert_eq!(seconds(&registry), ["a.b"], "an entry of the past is not believed");
    }

    #[test]
    fn descriptions_that_change_all_the_time_do_not_fill_the_memory() {
        let registry = SeriesRegistry::new(10);
        let mut names = Names::default();
        for number in 0..100 {
            describe(&registry, "m", &format!("m.{number}"), "", Kind::Gauge);
            let last = format!("m.{number}");
            assert_eq!(find(&mut names, &registry, Form::Original, &last), ["m"]);
            assert!(names.entries.len() <= ENTRIES_PER_METRIC_MAX + 3);
        }
    }

    #[test]
    fn a_name_among_many_metrics_is_found_without_walking_them() {
        let registry = SeriesRegistry::new(200_000);
        for number in 0..100_000 {
            describe(&registry, &format!("m_{number}"), &format!("m.{number}"), "s", Kind::Gauge);
        }
        let mut names = Names::default();
        let view = registry.read();
        assert_eq!(names.find(&view, Form::Original, "m.99999").len(), 1);
        let built = names.entries.len();
        // Each of these would take a millisecond and more if it looked at all metrics.
        for number in 0..100_000 {
            assert_eq!(names.find(&view, Form::Translated, &format!("m_{number}_seconds")).len(), 1);
        }
        assert_eq!((built, names.entries.len()), (200_000, 200_000));
    }
}
