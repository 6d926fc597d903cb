//! A request's symbols, and what is found with them.

use flyball_decode::DecodeError;
use flyball_decode::remote_write2::{Metadata, Reference, References, SYMBOLS_MAX, Symbols};
use flyball_model::{Limits, SeriesRef, Shape, UnixNanos, name};

use super::room::Room;
use crate::aliases::AliasKey;
use crate::describe::{Description, lenient};
use crate::fault::{Fault, Found};
use crate::rejections::Subject;
use crate::remote_write::kind_of;
use crate::series::{NAME_LABEL, SeriesKey, metric_text};
use crate::work::Work;

/// What a series' labels are known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    alias: AliasKey,
    /// The metric's name; `None` where there is none.
    metric: Option<Reference>,
}

/// One request in the walk.
pub(super) struct Request<'p, 'a> {
    pub(super) symbols: Symbols<'p, 'a>,
    keys: &'p [AliasKey],
    said: &'p mut [u64],
    /// The key of `__name__`.
    name: AliasKey,
    /// Where keys start from: what has the same bytes in another format, or for another shape, is something else.
    numbers: AliasKey,
    histograms: AliasKey,
    /// Labels that are read, in room that is kept from series to series.
    pub(super) pairs: Vec<(&'a [u8], &'a [u8])>,
}

impl<'p, 'a> Request<'p, 'a> {
    pub(super) fn new(work: &Work<'_, 'a>, body: &'a [u8], room: &'p mut Room) -> Result<Self, DecodeError> {
        let Room { places, keys, said } = room;
        let symbols = places.index(body)?;
        keys.clear();
        keys.extend((0..symbols.len()).map(|number| {
            let text = symbols.get(number as Reference).expect("the table has it");
            work.finder.key(text)
        }));
        said.clear();
        said.resize(symbols.len(), 0);
        let key = |bytes: &[u8]| work.finder.key(bytes);
        let format = key(b"remote write 2.0");
        let of = |shape: Shape| work.finder.shape_key(shape).within(format);
        Ok(Self {
            symbols,
            keys,
            said,
            name: key(NAME_LABEL),
            numbers: of(Shape::Numbers),
            histograms: of(Shape::Histograms),
            pairs: Vec::new(),
        })
    }

    /// The key of labels; `None` where they are not pairs of symbols.
    ///
    /// # Errors
    /// When the references can't be read.
    #[inline]
    pub(super) fn key(&self, labels: References<'a>) -> Result<Option<Key>, DecodeError> {
        let mut references = labels.iter();
        let mut key = Key { alias: self.numbers, metric: None };
        while let Some(name) = references.next() {
            let name = name?;
            let Some(value) = references.next().transpose()? else { return Ok(None) };
            let known = |reference: Reference| self.keys.get(reference as usize).copied();
            let (Some(name), Some(text)) = (known(name), known(value)) else { return Ok(None) };
            if name == self.name {
                key.metric = Some(value);
            }
            // Labels in another order are the same labels.
            key.alias = key.alias.beside(AliasKey::label(name, text));
        }
        Ok(Some(key))
    }

    /// The series of these labels: by their key, or else by what they say.
    #[inline]
    pub(super) fn find(
        &mut self,
        work: &mut Work<'_, 'a>,
        labels: References<'a>,
        key: Option<Key>,
        shape: Shape,
        at: UnixNanos,
    ) -> Found<'a, SeriesRef> {
        let key = key.map(|key| match shape {
            Shape::Numbers => key.alias,
            Shape::Histograms | Shape::Streams => key.alias.within(self.histograms),
        });
        if let Some(series) = key.and_then(|key| work.finder.known(key)) {
            return Ok(series);
        }
        self.read(labels, work.limits)?;
        work.finder.find(key, &SeriesKey::Pairs { labels: &self.pairs }, shape, at)
    }

    /// Reads labels into [`Request::pairs`]. Stops at twice the limit on labels (empty values are none, and leave it to the
    /// limit itself to say so): a reference is one byte, and a label would take a hundred times as much.
    pub(super) fn read(&mut self, labels: References<'a>, limits: &Limits) -> Found<'a, ()> {
        self.pairs.clear();
        let max = limits.labels.saturating_mul(2).saturating_add(2);
        let symbols = self.symbols;
        let text = |reference: Reference| {
            let symbols_count = symbols.len();
            symbols.get(reference).ok_or(Fault::Symbol { what: "a label", reference, symbols: symbols_count })
        };
        let mut references = labels.iter();
        while let Some(name) = references.next() {
            if self.pairs.len() == max {
                let rest = references.try_fold(1, |count, reference| reference.map(|_| count + 1))?;
                return Err(Fault::TooManyLabels { labels: max + rest / 2, max: limits.labels }.into());
            }
            let name = text(name?)?;
            let Some(value) = references.next().transpose()? else {
                return Err(Fault::OddReferences { references: self.pairs.len() * 2 + 1 }.into());
            };
            self.pairs.push((name, text(value)?));
        }
        Ok(())
    }

    /// Notes what is said of a metric, unless the same was said before: mostly it is, with each series of each body.
    pub(super) fn describe(&mut self, work: &mut Work<'_, 'a>, key: Key, metadata: Metadata) {
        let Metadata { metric_type, help, unit } = metadata;
        let Some(metric) = key.metric else { return };
        let said = (metric_type as u64) << 60 | u64::from(help) << 30 | u64::from(unit);
        if said == 0 || self.said.get(metric as usize) == Some(&said) {
            return;
        }
        let mut text = |reference: Reference| {
            let text = self.symbols.get(reference).zip(self.keys.get(reference as usize));
            if text.is_none() {
                let fault = Fault::Symbol { what: "metadata", reference, symbols: self.symbols.len() };
                work.warnings.add(&fault, 1, Subject::Metric(self.symbols.get(metric).unwrap_or_default()));
            }
            text
        };
        let (Some(original), Some(help), Some(unit)) = (text(metric), text(help), text(unit)) else { return };
        let ((original, original_key), (help, help_key), (unit, unit_key)) = (original, help, unit);
        if let Some(slot) = self.said.get_mut(metric as usize) {
            *slot = said;
        }
        let means = work.finder.key(&[metric_type as u8]);
        let news = [help_key, unit_key, &means]
            .into_iter()
            .fold(original_key.within(self.numbers), |key, part| part.within(key));
        if work.finder.known(news).is_some() {
            return;
        }
        let Ok(original) = metric_text(original, work.limits) else { return };
        let description = Description {
            original,
            kind: kind_of(metric_type),
            unit: lenient(unit, work.limits),
            temporality: None,
            monotonic: None,
            help: lenient(help, work.limits),
        };
        if work.news.note(work.registry, &name::metric_name(original), &description) {
            // No series: the entry says that this was said.
            work.finder.learn(news, SeriesRef(u32::MAX));
        }
    }
}

const _: () = assert!(SYMBOLS_MAX <= 1 << 30, "what is said of a metric is one number");
