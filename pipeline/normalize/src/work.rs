//! A body in the making: what its walk has found so far.

use flyball_decode::DecodeError;
use flyball_model::batch::{STALE_NAN_BITS, is_stale};
use flyball_model::intake::{Context, LINE_FAULTS_MAX, LineFault, Written};
use flyball_model::rows::{ExemplarBuilder, TextBuilder};
use flyball_model::{Limits, PointBatch, Rows, SeriesRef, SeriesRegistry, UnixNanos};

use crate::aliases::Aliases;
use crate::describe::News;
use crate::fault::Fault;
use crate::histograms::{BODY_BUCKETS_MAX, Histograms};
use crate::normalizer::Normalized;
use crate::rejections::{Rejections, Subject};
use crate::series::SeriesFinder;
use crate::totals::{Delta, Piece, Totals};
use crate::window::Window;

/// A point takes at least about this many bytes on the wire; a first guess at the room for a batch.
const POINT_BYTES_GUESS: usize = 100;

/// What one body may become. Real points and records take 30 bytes and more on the wire, so that the limit on the body is
/// met first; these stop bodies made of millions of empty ones, which would grow twentyfold and more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Points of a batch; 20 bytes each.
    pub(crate) points: usize,
    /// Log records of a batch; about 60 bytes each without their text. A span counts as two, its events and links as one each.
    pub(crate) records: usize,
    /// Bytes of text of a batch of records, over all columns. One column's offsets are 32-bit.
    pub(crate) text_bytes: usize,
    /// Bytes of labels that are read for series that are not known yet, a second or two of work. A few bytes of a body can ask for
    /// half a megabyte of labels again and again: all points of an OTLP resource, all fields of a line, all series of remote write
    /// 2.0 that refer to the same symbols.
    pub(crate) label_bytes: usize,
}

/// The bounds in force.
pub(crate) const BOUNDS: Bounds =
    Bounds { points: 1 << 22, records: 1 << 20, text_bytes: 1 << 28, label_bytes: 1 << 30 };

const _: () = assert!(BOUNDS.text_bytes <= i32::MAX as usize, "an Arrow text column ends at 2 GiB");

/// The staleness marker, for points that say that there is no value.
pub(crate) const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

#[derive(Debug)]
pub(crate) struct Work<'n, 'a> {
    pub(crate) registry: &'n SeriesRegistry,
    pub(crate) limits: &'n Limits,
    pub(crate) window: Window,
    pub(crate) context: Option<&'a Context>,
    pub(crate) finder: SeriesFinder<'n, 'a>,
    pub(crate) rejections: Rejections,
    /// What was stored and not quite as sent, or lost beside its point.
    pub(crate) warnings: Rejections,
    pub(crate) news: News,
    pub(crate) written: Written,
    /// What the body holds, as its sender counts; see [`Work::met`].
    received: u64,
    /// Points that no sender counts: further numbers of a summary's point, and staleness markers made here.
    pub(crate) parts: u64,
    lines: Vec<LineFault>,
    /// Native histograms, for which room was made.
    pub(crate) histograms: Histograms,
    /// Exemplars, for which room was made. Made when the first of their kind comes, like all builders: most bodies have none.
    pub(crate) exemplars: Option<ExemplarBuilder>,
    rows: Vec<Rows>,
    records: usize,
    texts: Option<TextBuilder>,
    text_bytes: usize,
    bounds: Bounds,
    points: PointBatch,
    deltas: Vec<Delta>,
    starts: Vec<(SeriesRef, UnixNanos)>,
    not_finite: u64,
}

/// What a [`Work`] is done with.
pub(crate) struct Tools<'n> {
    pub(crate) registry: &'n SeriesRegistry,
    pub(crate) limits: &'n Limits,
    pub(crate) aliases: &'n Aliases,
    pub(crate) bounds: Bounds,
}

impl<'n, 'a> Work<'n, 'a> {
    pub(crate) fn new(tools: &Tools<'n>, now: UnixNanos, body_bytes: usize, context: Option<&'a Context>) -> Self {
        let Tools { registry, limits, aliases, bounds } = *tools;
        Self {
            registry,
            limits,
            window: Window::new(now, limits),
            context,
            finder: SeriesFinder::new(registry, limits, aliases, bounds.label_bytes),
            rejections: Rejections::default(),
            warnings: Rejections::default(),
            news: News::default(),
            written: Written::default(),
            received: 0,
            parts: 0,
            lines: Vec::new(),
            histograms: Histograms::default(),
            exemplars: None,
            rows: Vec::new(),
            records: 0,
            texts: None,
            text_bytes: 0,
            bounds,
            points: PointBatch::with_capacity(body_bytes / POINT_BYTES_GUESS),
            deltas: Vec::new(),
            starts: Vec::new(),
            not_finite: 0,
        }
    }

    /// Counts points or records as the walk meets them, before anything is known of them. Nothing else adds to what was received, so
    /// that what is neither kept nor refused is found out.
    #[inline]
    pub(crate) fn met(&mut self, points: u64) {
        self.received += points;
    }

    /// Takes a point as it is.
    #[inline]
    pub(crate) fn push(&mut self, series: SeriesRef, time: UnixNanos, value: f64) -> Result<(), DecodeError> {
        self.check_points()?;
        self.not_finite += u64::from(!value.is_finite() && !is_stale(value));
        self.points.push(series, time, value);
        Ok(())
    }

    /// Takes numbers that are one point to their sender: it counts as one, and as one that is not finite if any of them is not
    /// (quantiles of nothing are NaN).
    pub(crate) fn push_parts(&mut self, numbers: &[(SeriesRef, f64)], time: UnixNanos) -> Result<(), DecodeError> {
        let not_finite = self.not_finite;
        for &(series, value) in numbers {
            self.push(series, time, value)?;
        }
        self.not_finite = self.not_finite.min(not_finite + 1);
        self.parts += numbers.len().saturating_sub(1) as u64;
        Ok(())
    }

    /// Notes when the sum of a series began, of which a point was just taken.
    #[inline]
    pub(crate) fn note_start(&mut self, series: SeriesRef, start: UnixNanos) {
        self.starts.push((series, start));
    }

    /// Notes a line of a text format that is not taken.
    pub(crate) fn bad_line(&mut self, fault: impl FnOnce() -> LineFault) {
        if self.lines.len() < LINE_FAULTS_MAX {
            self.lines.push(fault());
        }
    }

    /// Takes the change of a sum. What is not finite stands for itself: it would spoil the total for ever.
    /// `start` is when its interval began, if the sender says so.
    pub(crate) fn push_delta(
        &mut self,
        series: SeriesRef,
        start: Option<UnixNanos>,
        time: UnixNanos,
        change: f64,
    ) -> Result<(), DecodeError> {
        if !change.is_finite() {
            return self.push(series, time, change);
        }
        self.check_points()?;
        self.deltas.push(Delta { series, start, time, change });
        Ok(())
    }

    fn check_points(&self) -> Result<(), DecodeError> {
        let max = self.bounds.points;
        if self.points.len() + self.deltas.len() < max {
            Ok(())
        } else {
            Err(DecodeError::TooMany { what: "points", max })
        }
    }

    /// Counts records and their text before they are built. Records of other kinds than log records count by their size.
    #[inline]
    pub(crate) fn make_room(&mut self, records: usize, text_bytes: usize) -> Result<(), DecodeError> {
        self.records += records;
        if self.records > self.bounds.records {
            return Err(DecodeError::TooMany { what: "records", max: self.bounds.records });
        }
        self.text_bytes += text_bytes;
        if self.text_bytes > self.bounds.text_bytes {
            return Err(DecodeError::TooMany { what: "bytes of text in its records", max: self.bounds.text_bytes });
        }
        Ok(())
    }

    /// Takes records that room was made for. At most one batch a kind.
    pub(crate) fn take(&mut self, rows: Rows) {
        debug_assert!(self.rows.iter().all(|other| other.kind() != rows.kind()), "one batch a kind");
        self.rows.push(rows);
    }

    /// Takes a text value.
    pub(crate) fn push_text(&mut self, series: SeriesRef, time: UnixNanos, text: &str) -> Result<(), DecodeError> {
        let Bounds { records, text_bytes, .. } = self.bounds;
        if self.text_count() == records {
            return Err(DecodeError::TooMany { what: "text values", max: records });
        }
        self.text_bytes += text.len();
        if self.text_bytes > text_bytes {
            return Err(DecodeError::TooMany { what: "bytes of text in its values", max: text_bytes });
        }
        self.texts.get_or_insert_default().push(series, time, text);
        Ok(())
    }

    /// Gives up every point and text of a line protocol body so far, and says how many they were.
    pub(crate) fn withdraw(&mut self) -> u64 {
        let withdrawn = (self.points.len() + self.text_count()) as u64;
        self.points.clear();
        self.texts = None;
        self.warnings = Rejections::default();
        withdrawn
    }

    fn text_count(&self) -> usize {
        self.texts.as_ref().map_or(0, TextBuilder::len)
    }

    /// The body was read to its end: what it leaves behind is written down.
    pub(crate) fn finish(mut self, totals: &Totals, before_adding: impl FnOnce()) -> Normalized {
        self.finder.finish();
        self.news.tell(self.registry);
        if !self.deltas.is_empty() || self.histograms.has_deltas() {
            before_adding();
        }
        let late = self.limits.late;
        let mut piece = Piece::default();
        let added = totals.numbers.accumulate(self.deltas, late, &mut self.points, &mut piece);
        self.starts.extend(added.started);
        let (histograms, added_histograms) = self.histograms.finish(&totals.histograms, late, &mut piece);
        self.starts.extend(added_histograms.started);
        if !self.starts.is_empty() {
            self.registry.read().note_starts(&mut self.starts);
        }
        self.warnings.add(&Fault::LateDelta { late }, added.late + added_histograms.late, Subject::Nothing);
        let too_many = Fault::TooManyTotalBuckets { max: BODY_BUCKETS_MAX };
        self.rejections.add(&too_many, added_histograms.refused, Subject::Nothing);
        self.rows.extend(histograms);
        self.rows.extend(self.exemplars.map(ExemplarBuilder::finish));
        self.rows.extend(self.texts.map(TextBuilder::finish));
        self.rows.retain(|rows| !rows.is_empty());
        Normalized {
            received: self.received,
            points: self.points,
            rows: self.rows,
            parts: self.parts,
            not_finite: self.not_finite,
            written: self.written,
            rejections: self.rejections.into_vec(),
            warnings: self.warnings.into_vec(),
            lines: self.lines,
            totals: piece.into_bytes(),
            starts: self.starts,
        }
    }
}
