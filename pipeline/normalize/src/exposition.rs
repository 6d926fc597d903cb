//! Prometheus' text and OpenMetrics: samples become points, what is said of families descriptions.
//!
//! A scrape repeats its lines, so a series is known by the bytes that name it and by its [`Context`]: labels are read, merged
//! with the target's and relabelled once a series. A series that a rule drops is remembered too.
//!
//! Names are put in Prometheus form before rules see them, so that rules speak of the names that queries use. Classic histograms
//! and summaries keep their series, and `_created` is a series like any other, as in Prometheus.

use std::hash::Hasher;

use flyball_decode::DecodeError;
use flyball_decode::exposition::{Dialect, Entry, Exemplar, Label, NAME_LABEL, Sample, entries};
use flyball_decode::remote_write::{Metadata, MetricType};
use flyball_model::intake::{Context, LastBody};
use flyball_model::relabel::{LabelSet, Relabel};
use flyball_model::{Limits, SeriesRef, SeriesRegistry, Shape, UnixNanos, name};
use hashbrown::HashMap;
use parking_lot::MutexGuard;
use twox_hash::XxHash3_64;

use crate::aliases::AliasKey;
use crate::attributes::RECORD_PARTS_MAX;
use crate::fault::Fault;
use crate::labels::{Level, merge};
use crate::rejections::Subject;
use crate::series::metric_text;
use crate::work::{STALE, Work};
use crate::{exemplars, remote_write};

/// Remembered for a series that a rule drops. No series has this number: their cap is below it.
const DROPPED: SeriesRef = SeriesRef(u32::MAX);

/// Lines of one body that are about families: HELP, TYPE and UNIT. Each is kept until the body was read, and takes more room than
/// it has bytes.
const FAMILY_LINES_MAX: usize = 1 << 18;

/// How Prometheus keeps a label that is in the way of a target's.
const EXPORTED: &str = "exported_";

/// Walks a body into the work. A bad line refuses all of it, as in Prometheus and the Pushgateway.
pub(crate) fn walk<'a>(work: &mut Work<'_, 'a>, body: &'a [u8], dialect: Dialect) -> Result<(), DecodeError> {
    let mut walk = Walk::new(work, dialect);
    for entry in entries(body, dialect)? {
        match entry? {
            Entry::Sample(sample) => {
                work.met(1);
                walk.sample(work, &sample)?;
            }
            about_family if walk.families.len() < FAMILY_LINES_MAX => walk.families.push(about_family),
            _ => return Err(DecodeError::TooMany { what: "lines about families", max: FAMILY_LINES_MAX }),
        }
    }
    walk.finish(work)
}

struct Walk<'a> {
    /// What the context adds to what a series is known by.
    outer: AliasKey,
    context: Option<&'a Context>,
    /// What is remembered of the body before, where that was all there was.
    last: Option<MutexGuard<'a, LastBody>>,
    families: Vec<Entry<'a>>,
    /// Series without a time of their own.
    seen: Vec<SeriesRef>,
    /// The exemplars of this body, as they are remembered.
    exemplars: HashMap<SeriesRef, u64>,
    dropped: u64,
    new_series: bool,
}

impl<'a> Walk<'a> {
    fn new(work: &Work<'_, 'a>, dialect: Dialect) -> Self {
        Self {
            outer: work.finder.key(&identity(work.context, dialect)),
            context: work.context,
            last: work.context.filter(|context| context.complete).map(|context| context.last.lock()),
            families: Vec::new(),
            seen: Vec::new(),
            exemplars: HashMap::new(),
            dropped: 0,
            new_series: false,
        }
    }

    #[inline]
    fn sample(&mut self, work: &mut Work<'_, 'a>, sample: &Sample<'a>) -> Result<(), DecodeError> {
        let own_time = sample.time.filter(|_| !self.context.is_some_and(|context| context.ignore_times));
        let time = match own_time {
            None => work.window.now,
            Some(time) => match work.window.check(time) {
                Ok(time) => time,
                Err(fault) => {
                    work.rejections.add(&fault, 1, Subject::Metric(sample.series.as_bytes()));
                    return Ok(());
                }
            },
        };
        let key = work.finder.key(sample.series.as_bytes()).within(self.outer);
        let series = match work.finder.known(key) {
            Some(series) => series,
            None => {
                self.new_series = true;
                let Some(series) = resolve(work, self.context, sample, time)? else { return Ok(()) };
                work.finder.learn(key, series);
                series
            }
        };
        if series == DROPPED {
            self.dropped += 1;
            return Ok(());
        }
        work.push(series, time, sample.value)?;
        work.written.samples += 1;
        if own_time.is_none() && self.last.is_some() {
            self.seen.push(series);
        }
        match &sample.exemplar {
            Some(exemplar) => self.exemplar(work, sample, series, exemplar, time),
            None => Ok(()),
        }
    }

    /// Takes an exemplar, unless the body before had the same one: targets repeat it until there is another.
    fn exemplar(
        &mut self,
        work: &mut Work<'_, 'a>,
        sample: &Sample<'a>,
        series: SeriesRef,
        exemplar: &Exemplar<'a>,
        sampled_at: UnixNanos,
    ) -> Result<(), DecodeError> {
        if let Some(last) = &self.last {
            let hash = XxHash3_64::oneshot(exemplar.text.as_bytes());
            self.exemplars.insert(series, hash);
            if last.exemplars.get(&series) == Some(&hash) {
                return Ok(());
            }
        }
        let labels: Vec<Label<'_>> = exemplar.labels().collect::<Result<_, _>>()?;
        let labels: Vec<_> = labels.iter().map(|label| (label.name.as_bytes(), label.value.as_bytes())).collect();
        let taken = match work.window.check(exemplar.time.unwrap_or(sampled_at)) {
            Ok(time) => exemplars::take_at(work, series, exemplar.value, time, &labels)?,
            Err(_) => Err(Fault::Exemplar { problem: "is too old or too far in the future" }),
        };
        if let Err(fault) = taken {
            work.warnings.add(&fault, 1, Subject::Metric(sample.series.as_bytes()));
        }
        Ok(())
    }

    /// The body was read to its end.
    fn finish(mut self, work: &mut Work<'_, 'a>) -> Result<(), DecodeError> {
        work.rejections.add(&Fault::Relabelled, self.dropped, Subject::Nothing);
        let descriptions = self.hash_of_families();
        match (self.context, self.last.take()) {
            (None, _) | (_, None) => self.describe(work),
            (Some(context), Some(mut last)) => {
                if self.new_series || last.descriptions != descriptions {
                    self.describe(work);
                }
                self.seen.sort_unstable();
                self.seen.dedup();
                let mut seen = context.seen.lock();
                for &gone in seen.iter().filter(|series| self.seen.binary_search(series).is_err()) {
                    work.push(gone, work.window.now, STALE)?;
                    // Nobody sent it, so nobody is told that it was stored.
                    work.parts += 1;
                }
                *seen = self.seen;
                last.exemplars = self.exemplars;
                last.descriptions = descriptions;
            }
        }
        Ok(())
    }

    fn hash_of_families(&self) -> u64 {
        let mut hasher = XxHash3_64::new();
        let mut write = |text: &str| {
            hasher.write(&(text.len() as u64).to_le_bytes());
            hasher.write(text.as_bytes());
        };
        for entry in &self.families {
            match entry {
                Entry::Help { family, text } => ["help", family, text].into_iter().for_each(&mut write),
                Entry::Unit { family, unit } => ["unit", family, unit].into_iter().for_each(&mut write),
                Entry::Type { family, kind } => {
                    ["type", family, remote_write::kind_of(*kind).as_str()].into_iter().for_each(&mut write);
                }
                Entry::Sample(_) => {}
            }
        }
        hasher.finish()
    }

    /// Notes what is said of families, whose lines need not stand together.
    fn describe(&self, work: &mut Work<'_, '_>) {
        let mut families: HashMap<&str, Metadata<'_>> = HashMap::new();
        for entry in &self.families {
            let (Entry::Help { family, .. } | Entry::Unit { family, .. } | Entry::Type { family, .. }) = entry else {
                continue;
            };
            let metadata = families.entry(family).or_insert_with(|| Metadata {
                metric_type: MetricType::Unknown,
                family: family.as_bytes(),
                help: &[],
                unit: &[],
            });
            match entry {
                Entry::Help { text, .. } => metadata.help = text.as_bytes(),
                Entry::Unit { unit, .. } => metadata.unit = unit.as_bytes(),
                Entry::Type { kind, .. } => metadata.metric_type = *kind,
                Entry::Sample(_) => {}
            }
        }
        for metadata in families.values() {
            remote_write::describe(work, metadata);
        }
    }
}

/// What tells contexts apart that make other series of the same bytes, and dialects, of which one takes what is bad in the other.
fn identity(context: Option<&Context>, dialect: Dialect) -> Vec<u8> {
    let mut identity = match dialect {
        Dialect::Text => b"exposition, text".to_vec(),
        Dialect::OpenMetrics => b"exposition, OpenMetrics".to_vec(),
    };
    let mut write = |text: &str| {
        identity.extend((text.len() as u64).to_le_bytes());
        identity.extend(text.as_bytes());
    };
    if let Some(Context { labels, honor_labels, relabel, .. }) = context {
        write(if *honor_labels { "own" } else { "target" });
        for (name, value) in labels {
            write(name);
            write(value);
        }
        for rule in relabel {
            write(&rule.identity());
        }
    }
    identity
}

/// The series of a sample: [`DROPPED`] where a rule drops it, `None` where it can't be one.
fn resolve(
    work: &mut Work<'_, '_>,
    context: Option<&Context>,
    sample: &Sample<'_>,
    at: UnixNanos,
) -> Result<Option<SeriesRef>, DecodeError> {
    // The name and one more than is taken, so that it is seen that there are too many.
    let labels: Vec<Label<'_>> = sample.labels().take(RECORD_PARTS_MAX + 2).collect::<Result<_, _>>()?;
    let subject = Subject::Metric(sample.series.as_bytes());
    let mut set = match own_labels(&labels, work.limits) {
        Ok(set) => set,
        Err(fault) => {
            work.rejections.add(&fault, 1, subject);
            return Ok(None);
        }
    };
    if let Some(context) = context {
        add_target_labels(&mut set, context, &labels);
        if !Relabel::apply(&context.relabel, &mut set) {
            return Ok(Some(DROPPED));
        }
    }
    match register(work.registry, work.limits, &set, at) {
        Ok(series) => Ok(Some(series)),
        Err(fault) => {
            work.rejections.add(&fault, 1, subject);
            Ok(None)
        }
    }
}

/// The labels that a sample has by itself, in Prometheus form, its name among them.
fn own_labels<'l>(labels: &'l [Label<'_>], limits: &Limits) -> Result<LabelSet, Fault<'l>> {
    let mut metric = None;
    let (mut own, none) = (Level::default(), Level::default());
    for label in labels {
        if label.name != NAME_LABEL {
            own.add(label.name.as_bytes(), label.value.as_bytes(), limits)?;
        } else if metric.replace(&label.value).is_some() {
            return Err(Fault::DuplicateLabel { label: NAME_LABEL });
        }
    }
    own.finish(limits)?;
    let metric = name::metric_name(metric_text(metric.map_or(&[], |name| name.as_bytes()), limits)?);
    let mut pairs = Vec::new();
    merge(&none, &own, limits, &mut pairs)?;
    pairs.push((NAME_LABEL, &metric));
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Adds the target's labels to a sample's own.
fn add_target_labels(set: &mut LabelSet, context: &Context, own: &[Label<'_>]) {
    let is_empty = |name: &str| own.iter().any(|label| label.value.is_empty() && name::label_name(&label.name) == name);
    for (name, value) in &context.labels {
        if context.honor_labels {
            // An empty label of its own is a way to say that the target's does not count.
            if !set.contains_key(name) && !is_empty(name) {
                set.insert(name.clone(), value.clone());
            }
        } else if let Some(own) = set.insert(name.clone(), value.clone()) {
            let taken = |name: &String| set.contains_key(name) || context.labels.iter().any(|label| label.0 == *name);
            let mut exported = format!("{EXPORTED}{name}");
            while taken(&exported) {
                exported.insert_str(0, EXPORTED);
            }
            set.insert(exported, own);
        }
    }
}

/// The number of a label set. Checked once more: rules may have made it longer.
fn register<'l>(
    registry: &SeriesRegistry,
    limits: &Limits,
    set: &'l LabelSet,
    at: UnixNanos,
) -> Result<SeriesRef, Fault<'l>> {
    let (mut all, none) = (Level::default(), Level::default());
    for (name, value) in set.iter().filter(|(name, _)| name.as_str() != NAME_LABEL) {
        all.add(name.as_bytes(), value.as_bytes(), limits)?;
    }
    all.finish(limits)?;
    let metric = metric_text(set.get(NAME_LABEL).map_or(&[], |name| name.as_bytes()), limits)?;
    let mut pairs = Vec::new();
    merge(&none, &all, limits, &mut pairs)?;
    Ok(registry.resolve(&name::metric_name(metric), Shape::Numbers, &pairs, at)?)
}

#[cfg(test)]
mod tests;
