//! Which message the headers announce.
//!
//! `X-Prometheus-Remote-Write-Version` is not looked at: both specifications leave it to the content type to say what the body is.

use flyball_model::intake::{Encoding, Format};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::error::RequestError;
use crate::headers::{MediaType, content_coding, quoted};

/// The message of version 1.0, as the `proto` parameter of the content type names it; without the parameter it is this one.
const MESSAGE_1: &str = "prometheus.WriteRequest";

/// The message of version 2.0.
const MESSAGE_2: &str = "io.prometheus.write.v2.Request";

/// The message that the content type names, and that of version 1.0 where it names none that is spoken: such a request is
/// refused by [`encoding`].
pub(super) fn format(headers: &HeaderMap) -> Format {
    announced(headers).unwrap_or(Format::RemoteWrite1)
}

/// Checks that the headers announce one of the two messages, in snappy. Either header may be missing, as in Prometheus.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, RequestError> {
    if headers.contains_key(CONTENT_TYPE) && announced(headers).is_none() {
        return Err(RequestError::ContentType {
            found: quoted(headers, CONTENT_TYPE),
            expected: "application/x-protobuf;proto=io.prometheus.write.v2.Request (remote write 2.0), or \
                       application/x-protobuf;proto=prometheus.WriteRequest (1.0)",
        });
    }
    match (headers.contains_key(CONTENT_ENCODING), content_coding(headers)) {
        (false, _) => Ok(Encoding::Snappy),
        (true, Ok(Some(coding))) if coding.eq_ignore_ascii_case("snappy") => Ok(Encoding::Snappy),
        _ => Err(RequestError::ContentEncoding { found: quoted(headers, CONTENT_ENCODING), expected: "snappy" }),
    }
}

/// The message of the first content type; a second header would contradict it, so there must be only one.
fn announced(headers: &HeaderMap) -> Option<Format> {
    let media = MediaType::of(headers).filter(|media| media.is("application/x-protobuf"))?;
    if headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
        return None;
    }
    match media.parameter("proto") {
        None => Some(Format::RemoteWrite1),
        Some(message) if message == MESSAGE_1 => Some(Format::RemoteWrite1),
        Some(message) if message == MESSAGE_2 => Some(Format::RemoteWrite2),
        Some(_) => None,
    }
}
