//! The one length-prefixed message of a unary request: a flag, four bytes of length, the message.

use bytes::{Buf, Bytes};
use flyball_model::admission::Lease;
use flyball_model::intake::Encoding;
use http::{HeaderMap, HeaderName};
use http_body::Body;

use crate::body::{self, Bounds, Gather, Held};
use crate::error::{FramingError, RequestError};
use crate::headers::quoted;

/// Flag and length.
const PREFIX_BYTES: usize = 5;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Reads the message, and tells how it is compressed.
///
/// # Errors
/// When it is compressed in an unknown way, too long (known from its prefix), cut off, missing, or not the only one.
pub(super) async fn read<B>(
    headers: &HeaderMap,
    body: &mut B,
    bounds: &Bounds,
    lease: Lease,
) -> Result<(Encoding, Held), RequestError>
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    let compression = compression(headers)?;
    let mut held = bounds.in_time(whole(body, bounds, lease)).await?;
    let encoding = match held.bytes.get_u8() {
        0 => Encoding::Identity,
        1 => compression.ok_or(FramingError::CompressedHow)?,
        flag => return Err(FramingError::Flag(flag).into()),
    };
    held.bytes.advance(PREFIX_BYTES - 1);
    Ok((encoding, held))
}

/// What a set flag means: `None` when the client named no compression.
fn compression(headers: &HeaderMap) -> Result<Option<Encoding>, RequestError> {
    match headers.get(GRPC_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(None),
        Some(b"gzip") => Ok(Some(Encoding::Gzip)),
        Some(_) => Err(RequestError::ContentEncoding {
            found: quoted(headers, GRPC_ENCODING),
            expected: "grpc-encoding gzip or identity",
        }),
    }
}

/// Prefix and message.
async fn whole<B>(body: &mut B, bounds: &Bounds, lease: Lease) -> Result<Held, RequestError>
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    let mut gather = Gather::new(bounds, lease, PREFIX_BYTES);
    let mut announced = None;
    while let Some(chunk) = body::next_chunk(body).await? {
        if announced.is_some_and(|announced| gather.bytes().len() + chunk.len() > announced) {
            return Err(FramingError::Trailing.into());
        }
        gather.push(chunk)?;
        if announced.is_none()
            && let Some(&[_, a, b, c, d]) = gather.bytes().first_chunk()
        {
            let bytes = PREFIX_BYTES as u64 + u64::from(u32::from_be_bytes([a, b, c, d]));
            gather.announce(bytes)?;
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            if gather.bytes().len() > bytes {
                return Err(FramingError::Trailing.into());
            }
            announced = Some(bytes);
        }
    }
    let bytes = gather.bytes().len();
    match announced {
        Some(announced) if announced == bytes => Ok(gather.finish()),
        Some(announced) => Err(FramingError::Short { bytes, announced }.into()),
        None if bytes == 0 => Err(FramingError::Missing.into()),
        None => Err(FramingError::Short { bytes, announced: PREFIX_BYTES }.into()),
    }
}
