//! Exemplars of OTLP's points.

use flyball_decode::DecodeError;
use flyball_decode::otlp::metrics::{Exemplar as Sent, Exemplars};
use flyball_model::rows::{Exemplar, SpanId, TraceId};
use flyball_model::{SeriesRef, UnixNanos};

use crate::attributes::{Attributes, Layout, ScopeAttributes};
use crate::fault::{Fault, part};
use crate::rejections::Subject;
use crate::work::Work;

/// Takes the exemplars of a point at `time`. One that can't be kept is a warning; its point is kept.
///
/// # Errors
/// When the body has more of them than a batch holds, or the bytes are not such messages.
#[inline]
pub(crate) fn take<'a>(
    work: &mut Work<'_, 'a>,
    series: SeriesRef,
    exemplars: Exemplars<'a>,
    time: UnixNanos,
    subject: Subject<'a>,
) -> Result<(), DecodeError> {
    if exemplars.is_empty() { Ok(()) } else { take_some(work, series, exemplars, time, subject) }
}

fn take_some<'a>(
    work: &mut Work<'_, 'a>,
    series: SeriesRef,
    exemplars: Exemplars<'a>,
    time: UnixNanos,
    subject: Subject<'a>,
) -> Result<(), DecodeError> {
    let mut room = (Attributes::default(), Layout::default());
    for sent in exemplars {
        if let Err(fault) = take_one(work, series, &sent?, time, &mut room)? {
            work.warnings.add(&fault, 1, subject);
        }
    }
    Ok(())
}

/// An exemplar without a time gets that of its point.
fn take_one<'a>(
    work: &mut Work<'_, 'a>,
    series: SeriesRef,
    sent: &Sent<'a>,
    point_time: UnixNanos,
    (attributes, layout): &mut (Attributes<'a>, Layout<'a>),
) -> Result<Result<(), Fault<'a>>, DecodeError> {
    let bad = |problem| Ok(Err(Fault::Exemplar { problem }));
    let Some(value) = sent.value else { return bad("has no value") };
    let time = match sent.time {
        0 => point_time,
        nanos => match work.window.nanos(nanos) {
            Ok(time) => time,
            Err(_) => return bad("is too old or too far in the future"),
        },
    };
    attributes.clear();
    let set = match part(attributes.read(layout, sent.attributes))? {
        Ok(set) => set,
        Err(_) => return bad("has an attribute that is not UTF-8, is nested too deeply, or comes twice"),
    };
    work.make_room(1, attributes.bytes())?;
    let row = Exemplar {
        series,
        time,
        value: value.as_f64(),
        trace_id: TraceId::new(sent.trace_id),
        span_id: SpanId::new(sent.span_id),
    };
    work.exemplars.get_or_insert_default().push(row, attributes.of(&set, ScopeAttributes::NONE));
    Ok(Ok(()))
}
