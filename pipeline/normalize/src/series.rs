//! Finding the series of a point: the one place where labels are looked at.
//!
//! A walk asks [`SeriesFinder::known`] first, with a key of the raw bytes that name the series. Only where that gives nothing it
//! reads the labels with [`SeriesFinder::find`], which remembers what it found.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::KeyValues;
use flyball_decode::remote_write::Labels;
use flyball_model::{Limits, SeriesRef, SeriesRegistry, Shape, UnixNanos, name};

use crate::aliases::{AliasKey, Aliases, Look};
use crate::fault::{Fault, Found};
use crate::labels::{Level, merge};

/// The label that holds a metric's name in remote write.
pub(crate) const NAME_LABEL: &[u8] = b"__name__";

/// After so many bytes of labels that were read, a millisecond or two, others may learn what they found.
const GIVE_WAY_BYTES: usize = 1 << 20;

/// What a series is known by, as it lies in the body.
pub(crate) enum SeriesKey<'k, 'a> {
    /// An OTLP point: its metric's name in Prometheus form, its resource's labels, and its own attributes.
    Otlp { metric: &'k str, resource: &'k Level<'a>, attributes: KeyValues<'a> },
    /// A quantile of an OTLP summary's point.
    Quantile { metric: &'k str, resource: &'k Level<'a>, attributes: KeyValues<'a>, quantile: f64 },
    /// A remote write series.
    RemoteWrite { labels: Labels<'a> },
    /// A remote write 2.0 series, name and value of each label.
    Pairs { labels: &'k [(&'a [u8], &'a [u8])] },
    /// The stream of records of a resource, under a pseudo-metric such as [`flyball_model::series::LOGS`].
    Stream { table: &'static str, resource: &'k Level<'a> },
}

/// Finds series, with room that is kept from point to point.
#[derive(Debug)]
pub(crate) struct SeriesFinder<'n, 'a> {
    registry: &'n SeriesRegistry,
    limits: &'n Limits,
    aliases: &'n Aliases,
    /// Taken by the first question: records and reports have none.
    look: Option<Look<'n>>,
    learned: Vec<(AliasKey, SeriesRef)>,
    /// Bytes of labels that may still be read.
    label_bytes_left: usize,
    label_bytes_max: usize,
    own: Level<'a>,
    none: Level<'a>,
    merged: Vec<(&'static str, &'static str)>,
}

impl<'n, 'a> SeriesFinder<'n, 'a> {
    pub(crate) fn new(
        registry: &'n SeriesRegistry,
        limits: &'n Limits,
        aliases: &'n Aliases,
        label_bytes_max: usize,
    ) -> Self {
        Self {
            registry,
            limits,
            aliases,
            look: None,
            learned: Vec::new(),
            label_bytes_left: label_bytes_max,
            label_bytes_max,
            own: Level::default(),
            none: Level::default(),
            merged: Vec::new(),
        }
    }

    /// The key of raw bytes. What means something else with the same bytes (another format, a native histogram beside a
    /// number) must be told apart with [`AliasKey::within`].
    #[inline]
    pub(crate) fn key(&self, bytes: &[u8]) -> AliasKey {
        self.aliases.key(bytes)
    }

    /// The series that a key was learned for.
    #[inline]
    pub(crate) fn known(&mut self, key: AliasKey) -> Option<SeriesRef> {
        self.look.get_or_insert_with(|| self.aliases.look()).find(key)
    }

    /// The key of a shape. Numbers and histograms have tables of their own, so their series do not stand for each other.
    pub(crate) fn shape_key(&self, shape: Shape) -> AliasKey {
        self.aliases.shape_key(shape)
    }

    /// Remembers the series of a key, for the bodies after this one.
    pub(crate) fn learn(&mut self, key: AliasKey, series: SeriesRef) {
        self.learned.push((key, series));
    }

    /// The body was read to its end: what was learned is taken over.
    pub(crate) fn finish(self) {
        let Self { aliases, look, learned, .. } = self;
        drop(look);
        aliases.learn(&learned);
    }

    /// The series of these labels, made if it is new, and remembered under the key of their bytes if they have one. `at` is the
    /// time of the point that asks.
    pub(crate) fn find(
        &mut self,
        key: Option<AliasKey>,
        labels: &SeriesKey<'_, 'a>,
        shape: Shape,
        at: UnixNanos,
    ) -> Found<'a, SeriesRef> {
        let series = self.read(labels, shape, at)?;
        if let Some(key) = key {
            self.learn(key, series);
        }
        Ok(series)
    }

    fn read(&mut self, labels: &SeriesKey<'_, 'a>, shape: Shape, at: UnixNanos) -> Found<'a, SeriesRef> {
        match labels {
            SeriesKey::Otlp { metric, resource, attributes } => {
                self.own.fill(*attributes, self.limits)?;
                self.charge(self.own.bytes() + resource.bytes())?;
                self.resolve(metric, shape, Some(resource), at)
            }
            SeriesKey::Quantile { metric, resource, attributes, quantile } => {
                self.own.fill(*attributes, self.limits)?;
                self.own.set("quantile", &quantile.to_string());
                self.charge(self.own.bytes() + resource.bytes())?;
                self.resolve(metric, shape, Some(resource), at)
            }
            SeriesKey::RemoteWrite { labels } => {
                let metric = self.fill(labels.iter().map(|label| label.map(|label| (label.name, label.value))))?;
                self.resolve(&name::metric_name(metric), shape, None, at)
            }
            SeriesKey::Pairs { labels } => {
                let metric = self.fill(labels.iter().copied().map(Ok))?;
                self.resolve(&name::metric_name(metric), shape, None, at)
            }
            SeriesKey::Stream { table, resource } => {
                self.own.clear();
                self.resolve(table, Shape::Streams, Some(resource), at)
            }
        }
    }

    /// Counts labels that are read.
    ///
    /// # Errors
    /// When a body asks for more than [`crate::work::Bounds::label_bytes`].
    pub(crate) fn charge(&mut self, label_bytes: usize) -> Result<(), DecodeError> {
        let max = self.label_bytes_max;
        let left = self.label_bytes_left.checked_sub(label_bytes);
        let left = left.ok_or(DecodeError::TooMany { what: "bytes of labels of new series", max })?;
        let before = std::mem::replace(&mut self.label_bytes_left, left);
        // Reading labels takes long, other than finding them.
        if let Some(look) = self.look.as_mut().filter(|_| before / GIVE_WAY_BYTES != left / GIVE_WAY_BYTES) {
            look.give_way();
        }
        Ok(())
    }

    /// Takes remote write labels as the point's own, and gives the metric's name.
    fn fill(&mut self, labels: impl Iterator<Item = Result<(&'a [u8], &'a [u8]), DecodeError>>) -> Found<'a, &'a str> {
        self.own.clear();
        let mut metric = None;
        for label in labels {
            let (name, value) = label?;
            // What is longer is not looked into.
            self.charge(name.len().min(self.limits.label_bytes) + value.len().min(self.limits.label_bytes))?;
            if name != NAME_LABEL {
                self.own.add(name, value, self.limits)?;
            } else if metric.replace(value).is_some() {
                return Err(Fault::DuplicateLabel { label: "__name__" }.into());
            }
        }
        self.own.finish(self.limits)?;
        Ok(metric_text(metric.unwrap_or_default(), self.limits)?)
    }

    fn resolve(
        &mut self,
        metric: &str,
        shape: Shape,
        resource: Option<&Level<'a>>,
        at: UnixNanos,
    ) -> Found<'a, SeriesRef> {
        let mut merged = emptied(std::mem::take(&mut self.merged));
        let found = merge(resource.unwrap_or(&self.none), &self.own, self.limits, &mut merged)
            .and_then(|()| self.registry.resolve(metric, shape, &merged, at).map_err(Fault::from));
        self.merged = emptied(merged);
        Ok(found?)
    }
}

/// What one set of labels was found to be, for numbers and for histograms: looked up once each and not once a point, since a
/// point takes a few bytes and the labels may be megabytes.
#[derive(Debug, Default)]
pub(crate) struct Once<'a> {
    numbers: Slot<'a>,
    histograms: Slot<'a>,
}

/// One of them. Small, since each series of each body has two.
#[derive(Debug, Default)]
enum Slot<'a> {
    #[default]
    NotAsked,
    Taken(SeriesRef),
    Refused(Box<Fault<'a>>),
}

impl<'a> Once<'a> {
    /// What `find` found the first time.
    ///
    /// # Errors
    /// When the body is broken.
    #[inline]
    pub(crate) fn find(
        &mut self,
        shape: Shape,
        find: impl FnOnce() -> Found<'a, SeriesRef>,
    ) -> Result<Result<SeriesRef, &Fault<'a>>, DecodeError> {
        let slot = match shape {
            Shape::Numbers => &mut self.numbers,
            Shape::Histograms | Shape::Streams => &mut self.histograms,
        };
        if matches!(slot, Slot::NotAsked) {
            *slot = match find() {
                Ok(series) => Slot::Taken(series),
                Err(trouble) => Slot::Refused(Box::new(trouble.of_point()?)),
            };
        }
        Ok(match slot {
            Slot::Taken(series) => Ok(*series),
            Slot::Refused(fault) => Err(fault),
            Slot::NotAsked => unreachable!("asked above"),
        })
    }

    /// The series for an exemplar. It may come without its point; then its labels name the series, of whichever shape its metric is.
    ///
    /// # Errors
    /// When the body is broken.
    pub(crate) fn any(
        &mut self,
        mut find: impl FnMut(Shape) -> Found<'a, SeriesRef>,
    ) -> Result<Option<SeriesRef>, DecodeError> {
        if let taken @ Some(_) = self.taken() {
            return Ok(taken);
        }
        if let Err(Fault::Shape(_)) = self.find(Shape::Numbers, || find(Shape::Numbers))? {
            // Taken or refused: it is asked below.
            let _ = self.find(Shape::Histograms, || find(Shape::Histograms))?;
        }
        Ok(self.taken())
    }

    fn taken(&self) -> Option<SeriesRef> {
        [&self.numbers, &self.histograms].into_iter().find_map(|slot| match slot {
            Slot::Taken(series) => Some(*series),
            _ => None,
        })
    }
}

/// A metric's name as text, if it may be one.
pub(crate) fn metric_text<'a>(name: &'a [u8], limits: &Limits) -> Result<&'a str, Fault<'static>> {
    // The length first: many series can refer to one long text.
    if name.len() > limits.label_bytes {
        return Err(Fault::MetricTooLong { bytes: name.len(), max: limits.label_bytes });
    }
    match std::str::from_utf8(name) {
        Err(_) => Err(Fault::MetricNotUtf8),
        Ok("") => Err(Fault::EmptyMetricName),
        Ok(name) => Ok(name),
    }
}

/// The vector's room for pairs of another lifetime. Collecting in place, this allocates nothing.
pub(crate) fn emptied<'b>(mut pairs: Vec<(&str, &str)>) -> Vec<(&'b str, &'b str)> {
    pairs.clear();
    pairs.into_iter().map(|_| ("", "")).collect()
}

#[cfg(test)]
mod tests {
    use flyball_model::series::ResolveError;

    use super::*;

    #[test]
    fn an_emptied_vector_keeps_its_room() {
        let pairs = vec![("a", "b"); 10];
        let (room, place) = (pairs.capacity(), pairs.as_ptr());
        let pairs = emptied(pairs);
        assert_eq!((pairs.len(), pairs.capacity(), pairs.as_ptr()), (0, room, place));
    }

    #[test]
    fn labels_are_looked_up_once_a_shape_however_many_points_ask() {
        let conflict = || Fault::Shape(ResolveError::Shape { known: Shape::Histograms, asked: Shape::Numbers }).into();
        let mut asked = Vec::new();
        let mut once = Once::default();
        for _ in 0..3 {
            let mut find = |shape| {
                asked.push(shape);
                if shape == Shape::Numbers { Err(conflict()) } else { Ok(SeriesRef(7)) }
            };
            assert_eq!(once.any(&mut find).expect("a good body"), Some(SeriesRef(7)));
            assert!(once.find(Shape::Numbers, || find(Shape::Numbers)).expect("a good body").is_err());
        }
        assert_eq!(asked, [Shape::Numbers, Shape::Histograms]);
    }

    #[test]
    fn a_long_name_is_not_looked_into() {
        let limits = Limits { label_bytes: 3, ..Limits::default() };
        assert!(matches!(metric_text(b"\xff\xff\xff\xff", &limits), Err(Fault::MetricTooLong { bytes: 4, max: 3 })));
        assert!(matches!(metric_text(b"\xff", &limits), Err(Fault::MetricNotUtf8)));
    }
}
