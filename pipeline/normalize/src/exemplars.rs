//! Exemplars of remote write, both versions, and of OpenMetrics.
//!
//! The labels `trace_id` and `span_id` become ids where they are such; what is none stays an attribute like all others.

use flyball_decode::DecodeError;
use flyball_model::rows::{Exemplar, SpanId, TraceId};
use flyball_model::{SeriesRef, UnixNanos};

use crate::fault::Fault;
use crate::work::Work;

/// An exemplar as it was sent.
#[derive(Debug)]
pub(crate) struct Sent<'l, 'a> {
    pub(crate) value: f64,
    /// Milliseconds since the epoch; 0 if not said.
    pub(crate) timestamp_ms: i64,
    /// The labels in the order they were sent.
    pub(crate) labels: &'l [(&'a [u8], &'a [u8])],
}

/// Takes an exemplar of a series. One without a time gets that of the newest point it came with.
///
/// # Errors
/// When the body has more exemplars than a batch holds.
pub(crate) fn take<'a>(
    work: &mut Work<'_, 'a>,
    series: SeriesRef,
    sent: &Sent<'_, 'a>,
    newest: UnixNanos,
) -> Result<Result<(), Fault<'a>>, DecodeError> {
    let time = match sent.timestamp_ms {
        0 => newest,
        millis => match work.window.millis(millis) {
            Ok(time) => time,
            Err(_) => return Ok(Err(Fault::Exemplar { problem: "is too old or too far in the future" })),
        },
    };
    take_at(work, series, sent.value, time, sent.labels)
}

/// Takes an exemplar of a series at a time that is known to be good.
///
/// # Errors
/// When the body has more exemplars than a batch holds.
pub(crate) fn take_at(
    work: &mut Work<'_, '_>,
    series: SeriesRef,
    value: f64,
    time: UnixNanos,
    labels: &[(&[u8], &[u8])],
) -> Result<Result<(), Fault<'static>>, DecodeError> {
    if labels.len() > work.limits.labels {
        return Ok(Err(Fault::Exemplar { problem: "has more labels than limits.labels" }));
    }
    let (mut trace_id, mut span_id, mut bytes) = (None, None, 0);
    let mut attributes = Vec::with_capacity(labels.len());
    for (name, text) in labels {
        // The length first: many exemplars can refer to one long text.
        if name.len().max(text.len()) > work.limits.label_bytes {
            return Ok(Err(Fault::Exemplar { problem: "has a label that is longer than limits.label_bytes" }));
        }
        let (Ok(name), Ok(text)) = (std::str::from_utf8(name), std::str::from_utf8(text)) else {
            return Ok(Err(Fault::Exemplar { problem: "has a label that is not UTF-8" }));
        };
        match (name, hex::<16>(text), hex::<8>(text)) {
            ("trace_id", Some(id), _) if trace_id.is_none() => trace_id = TraceId::new(&id),
            ("span_id", _, Some(id)) if span_id.is_none() => span_id = SpanId::new(&id),
            _ => attributes.push((name, text)),
        }
        bytes += name.len() + text.len();
    }
    work.make_room(1, bytes)?;
    work.exemplars.get_or_insert_default().push(Exemplar { series, time, value, trace_id, span_id }, attributes);
    work.written.exemplars += 1;
    Ok(Ok(()))
}

/// An id from its hexadecimal digits, in any case.
fn hex<const BYTES: usize>(digits: &str) -> Option<[u8; BYTES]> {
    let mut id = [0; BYTES];
    ::hex::decode_to_slice(digits, &mut id).ok()?;
    (id != [0; BYTES]).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_hexadecimal_and_not_all_zero() {
        assert_eq!(hex::<2>("0aF0"), Some([0x0a, 0xf0]));
        for bad in ["", "0a", "0af", "0af0a", "0a0g", "0000", "äa"] {
            assert_eq!(hex::<2>(bad), None, "{bad}");
        }
    }
}
