//! Line protocol: each field of a line becomes a point of the metric `measurement_field`, or, where it is text, a row of the
//! table `texts`.
//!
//! Tags and the context's labels (the database) are the series' labels; a tag wins over the context. A text's series is
//! under the pseudo-metric [`TEXTS`], with `measurement_field` as its label `name`; a tag of that name is kept as
//! `exported_name`. Lines without a time have that of their receipt.
//!
//! A field is a point in the account. A line whose fields can't be read counts as one.

mod names;

use std::cell::OnceCell;

use flyball_decode::DecodeError;
use flyball_decode::line_protocol::{BadLine, Field, FieldValue, Line, Lines, unescape_name, unescape_text};
use flyball_model::intake::{LineFault, Precision};
use flyball_model::series::TEXTS;
use flyball_model::{Kind, SeriesRef, Shape, UnixNanos, name};

use crate::aliases::AliasKey;
use crate::describe::Description;
use crate::fault::Fault;
use crate::labels::{Level, merge};
use crate::rejections::Subject;
use crate::series::metric_text;
use crate::work::Work;
use names::{NAME_LABEL, Names};

/// Bytes of a bad line that are shown.
const SHOWN_BYTES_MAX: usize = 100;

/// Integers up to here are floats exactly.
const EXACT_MAX: u64 = 1 << f64::MANTISSA_DIGITS;

/// Walks a body into the work. With `whole`, one line that can't be read refuses all of them.
pub(crate) fn walk<'a>(
    work: &mut Work<'_, 'a>,
    body: &'a [u8],
    precision: Precision,
    whole: bool,
) -> Result<(), DecodeError> {
    let walk = Walk::new(work, precision);
    let (mut lines, mut fields) = (Lines::new(body), Vec::new());
    let mut first_bad = None;
    let mut passed_over = 0;
    while let Some(line) = lines.next(&mut fields) {
        work.met(if line.is_ok() { fields.len() as u64 } else { 1 });
        let bad = match line {
            Ok(_) if whole && first_bad.is_some() => {
                passed_over += fields.len() as u64;
                continue;
            }
            Ok(line) => walk.take(work, &line, &fields)?,
            Err(bad) => Some((bad, 1)),
        };
        if let Some((bad, points)) = bad {
            work.rejections.add(&Fault::Line(bad), points, Subject::Nothing);
            work.bad_line(|| told(bad.number, bad.text, bad.to_string()));
            first_bad.get_or_insert(bad);
        }
    }
    if let Some(bad) = first_bad.filter(|_| whole) {
        let withdrawn = work.withdraw();
        work.rejections.add(&Fault::Line(bad), withdrawn + passed_over, Subject::Nothing);
    }
    Ok(())
}

/// What is the same for all lines of a body.
struct Walk<'a> {
    precision: Precision,
    context: Result<Level<'a>, Fault<'a>>,
    /// Keys of numbers and of texts: the same bytes name another series in another format, in another database, or where
    /// the field is text.
    numbers: AliasKey,
    texts: AliasKey,
}

impl<'a> Walk<'a> {
    fn new(work: &Work<'_, 'a>, precision: Precision) -> Self {
        let labels = work.context.map_or(&[][..], |context| &context.labels);
        let mut context = Level::default();
        let filled =
            labels.iter().try_for_each(|(name, value)| context.add(name.as_bytes(), value.as_bytes(), work.limits));
        let filled = filled.and_then(|()| context.finish(work.limits));
        let scope = |what: &str| {
            let mut bytes = what.as_bytes().to_vec();
            for text in labels.iter().flat_map(|(name, value)| [name, value]) {
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            work.finder.key(&bytes)
        };
        Self {
            precision,
            context: filled.map(|()| context),
            numbers: scope("line protocol, numbers"),
            texts: scope("line protocol, texts"),
        }
    }

    /// Takes the fields of a line. Gives the line back if its tags can't be read, which is seen only here, and how many of its fields
    /// are refused for that: then none of them was taken.
    #[inline]
    fn take(
        &self,
        work: &mut Work<'_, 'a>,
        line: &Line<'a>,
        fields: &[Field<'a>],
    ) -> Result<Option<(BadLine<'a>, u64)>, DecodeError> {
        let time = match line.timestamp {
            None => work.window.now,
            Some(timestamp) => match work.window.check(nanos(timestamp, self.precision)) {
                Ok(time) => time,
                Err(fault) => {
                    refuse(work, line, &fault, fields.len() as u64);
                    work.bad_line(|| told(line.number, line.text, fault.to_string()));
                    return Ok(None);
                }
            },
        };
        let key = work.finder.key(line.key);
        let tags = OnceCell::new();
        let names = Names::new(line, &tags);
        let mut told_of = false;
        for (place, field) in fields.iter().enumerate() {
            match self.take_field(work, &names, field, key, time) {
                Ok(()) => {}
                Err(FieldTrouble::Body(error)) => return Err(error),
                Err(FieldTrouble::Line(bad)) => return Ok(Some((bad, (fields.len() - place) as u64))),
                Err(FieldTrouble::Told(message)) => {
                    if !told_of {
                        work.bad_line(|| told(line.number, line.text, message));
                        told_of = true;
                    }
                }
            }
        }
        Ok(None)
    }

    #[inline]
    fn take_field(
        &self,
        work: &mut Work<'_, 'a>,
        names: &Names<'_, 'a>,
        field: &Field<'a>,
        line_key: AliasKey,
        time: UnixNanos,
    ) -> Result<(), FieldTrouble<'a>> {
        let line = names.line;
        let key = work.finder.key(field.key).within(line_key);
        let value = match field.value {
            FieldValue::Text(raw) => {
                let text = unescape_text(raw);
                let Ok(text) = std::str::from_utf8(&text) else {
                    let fault = Fault::TextNotUtf8 { field: "text", text: &text };
                    refuse(work, line, &fault, 1);
                    return Err(FieldTrouble::Told(fault.to_string()));
                };
                let series = self.series(work, names, field, key.within(self.texts), time)?;
                return work.push_text(series, time, text).map_err(FieldTrouble::Body);
            }
            FieldValue::Float(value) => value,
            FieldValue::Boolean(value) => f64::from(u8::from(value)),
            FieldValue::Integer(value) => value as f64,
            FieldValue::Unsigned(value) => value as f64,
        };
        let series = self.series(work, names, field, key.within(self.numbers), time)?;
        work.push(series, time, value).map_err(FieldTrouble::Body)?;
        if let Some(sent) = rounded(field.value) {
            work.warnings.add(&Fault::Rounded { sent }, 1, Subject::Line(line.number, line.key));
        }
        Ok(())
    }

    #[inline]
    fn series(
        &self,
        work: &mut Work<'_, 'a>,
        names: &Names<'_, 'a>,
        field: &Field<'a>,
        key: AliasKey,
        at: UnixNanos,
    ) -> Result<SeriesRef, FieldTrouble<'a>> {
        match work.finder.known(key) {
            Some(series) => Ok(series),
            None => self.find(work, names, field, key, at),
        }
    }

    /// Looks the series up by what its names say.
    #[cold]
    fn find(
        &self,
        work: &mut Work<'_, 'a>,
        names: &Names<'_, 'a>,
        field: &Field<'a>,
        key: AliasKey,
        at: UnixNanos,
    ) -> Result<SeriesRef, FieldTrouble<'a>> {
        match self.resolve(work, names, field, at)? {
            Ok(series) => {
                work.finder.learn(key, series);
                Ok(series)
            }
            Err(fault) => {
                refuse(work, names.line, &fault, 1);
                Err(FieldTrouble::Told(fault.to_string()))
            }
        }
    }

    /// The inner error is the field's.
    fn resolve<'t>(
        &'t self,
        work: &mut Work<'_, 'a>,
        names: &'t Names<'_, 'a>,
        field: &Field<'a>,
        at: UnixNanos,
    ) -> Result<Result<SeriesRef, Fault<'t>>, FieldTrouble<'a>> {
        let text = matches!(field.value, FieldValue::Text(_));
        let own = names.labels(text, work.limits).map_err(FieldTrouble::Line)?;
        work.finder.charge(own.as_ref().map_or(0, Level::bytes)).map_err(FieldTrouble::Body)?;
        Ok(self.register(work, names.measurement(), field, own.as_ref().map_err(Clone::clone), at))
    }

    fn register<'t>(
        &'t self,
        work: &mut Work<'_, 'a>,
        measurement: &[u8],
        field: &Field<'a>,
        own: Result<&'t Level<'_>, Fault<'t>>,
        at: UnixNanos,
    ) -> Result<SeriesRef, Fault<'t>> {
        let key = unescape_name(field.key);
        // Before it is put together: the measurement may be long, and is the same for all fields.
        let bytes = measurement.len() + 1 + key.len();
        if bytes > work.limits.label_bytes {
            return Err(Fault::MetricTooLong { bytes, max: work.limits.label_bytes });
        }
        let original = [measurement, b"_", &key].concat();
        let original = metric_text(&original, work.limits)?;
        let metric = name::metric_name(original);
        let context = self.context.as_ref().map_err(Clone::clone)?;
        let mut labels = Vec::new();
        merge(context, own?, work.limits, &mut labels)?;
        if matches!(field.value, FieldValue::Text(_)) {
            labels.retain(|label| label.0.as_bytes() != NAME_LABEL);
            let place = labels.partition_point(|label| label.0.as_bytes() < NAME_LABEL);
            labels.insert(place, ("name", &metric));
            return Ok(work.registry.resolve(TEXTS, Shape::Streams, &labels, at)?);
        }
        let series = work.registry.resolve(&metric, Shape::Numbers, &labels, at)?;
        if *metric != *original {
            work.news.note(work.registry, &metric, &named(original));
        }
        Ok(series)
    }
}

/// What stops a field, or more than it.
enum FieldTrouble<'a> {
    /// The body is broken.
    Body(DecodeError),
    /// The line is bad.
    Line(BadLine<'a>),
    /// The field was refused and counted; this is why.
    Told(String),
}

/// Says nothing of a metric but what it was called.
fn named(original: &str) -> Description<'_> {
    Description { original, kind: Kind::Unknown, unit: "".into(), temporality: None, monotonic: None, help: "".into() }
}

#[cold]
fn refuse(work: &mut Work<'_, '_>, line: &Line<'_>, fault: &Fault<'_>, points: u64) {
    work.rejections.add(fault, points, Subject::Line(line.number, line.key));
}

/// An integer that no float holds exactly.
#[inline]
fn rounded(value: FieldValue<'_>) -> Option<i128> {
    let (sent, float) = match value {
        FieldValue::Integer(sent) if sent.unsigned_abs() > EXACT_MAX => (i128::from(sent), sent as f64),
        FieldValue::Unsigned(sent) if sent > EXACT_MAX => (i128::from(sent), sent as f64),
        _ => return None,
    };
    (float as i128 != sent).then_some(sent)
}

/// A timestamp in nanoseconds; one that does not fit is the first or last instant there is.
#[inline]
fn nanos(timestamp: i64, precision: Precision) -> UnixNanos {
    let factor = match precision {
        Precision::Nanoseconds => return UnixNanos(timestamp),
        Precision::Microseconds => 1_000,
        Precision::Milliseconds => 1_000_000,
        Precision::Seconds => 1_000_000_000,
        Precision::Minutes => 60_000_000_000,
        Precision::Hours => 3_600_000_000_000,
        Precision::Auto => return nanos(timestamp, guessed(timestamp)),
    };
    UnixNanos(timestamp.saturating_mul(factor))
}

/// The unit that a timestamp of this size is in, as InfluxDB 3 guesses it.
fn guessed(timestamp: i64) -> Precision {
    match timestamp.unsigned_abs() {
        0..5_000_000_000 => Precision::Seconds,
        5_000_000_000..5_000_000_000_000 => Precision::Milliseconds,
        5_000_000_000_000..5_000_000_000_000_000 => Precision::Microseconds,
        _ => Precision::Nanoseconds,
    }
}

fn told(number: u64, line: &[u8], message: String) -> LineFault {
    let cut = &line[..line.len().min(SHOWN_BYTES_MAX)];
    let mut shown = String::from_utf8_lossy(cut).into_owned();
    if cut.len() < line.len() {
        // The cut may have gone through a character.
        shown.truncate(shown.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
    }
    LineFault { number, line: shown, message }
}

#[cfg(test)]
mod tests;
