//! Request bodies into memory, bounded three ways: the size of one, the sum of those under way (the pipeline's budget), and time.

use std::io::{self, ErrorKind};
use std::iter::successors;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flyball_model::admission::Lease;
use http_body::Body;
use http_body_util::BodyExt;

use crate::error::RequestError;
use crate::pace::PACE;

/// A body that is not whole after this long is given up. Long enough for a megabyte over a 300 kbit/s uplink, short
/// enough that senders of a byte now and then hold nothing for long.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Room made for a body of announced length before its bytes are there: so many times what came, and this at least. What comes in
/// pieces as large as a socket gives is copied once or twice then, and who announces much and sends a byte now and then holds little.
const ROOM_AHEAD: usize = 16;
const ROOM_BYTES_MIN: usize = 16 * 1024;

/// What is read and thrown away of a refused body, so that a sender which writes everything before it reads gets the
/// answer instead of a reset connection.
const DISCARDED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The same while there is too much to do: more than a usual batch. A sender that is cut off sends again like one that is told to.
const DISCARDED_BYTES_BUSY_MAX: usize = 4 * 1024 * 1024;
/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The bounds of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    bytes_max: usize,
    read_timeout: Duration,
}

/// A whole body, and the room that it takes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) lease: Lease,
}

impl Bounds {
    /// For bodies of at most `bytes_max` bytes each.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, read_timeout: READ_TIMEOUT }
    }

    /// Gives up a read that takes too long.
    pub(crate) async fn in_time<T>(
        &self,
        read: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let timeout = self.read_timeout;
        tokio::time::timeout(timeout, read).await.unwrap_or(Err(RequestError::TimedOut(timeout)))
    }
}

/// A body on its way in. One that comes in a single chunk is never copied; another one is copied into one buffer.
///
/// Chunks are not kept as they come: a hostile sender of one-byte frames would make the list of them many times as
/// large as the body.
pub(crate) struct Gather {
    first: Bytes,
    joined: Option<BytesMut>,
    lease: Lease,
    /// The most that is taken, with what the protocol adds.
    bytes_max: usize,
    overhead: usize,
    announced: usize,
}

impl Gather {
    /// Nothing yet. `overhead` is what the protocol adds to a body of the largest size.
    pub(crate) fn new(bounds: &Bounds, lease: Lease, overhead: usize) -> Self {
        Self {
            first: Bytes::new(),
            joined: None,
            lease,
            bytes_max: bounds.bytes_max.saturating_add(overhead),
            overhead,
            announced: 0,
        }
    }

    /// Takes note of the length that the sender announced.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`], before any of the bytes are there.
    pub(crate) fn announce(&mut self, bytes: u64) -> Result<(), RequestError> {
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.bytes_max => {
                self.announced = bytes;
                Ok(())
            }
            _ => Err(self.too_large()),
        }
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`] and [`RequestError::Crowded`], before anything is copied.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<(), RequestError> {
        let bytes = self.bytes().len() + chunk.len();
        if bytes > self.bytes_max {
            return Err(self.too_large());
        }
        match &mut self.joined {
            None if self.first.is_empty() => {
                self.lease.widen(bytes)?;
                self.first = chunk;
            }
            None => {
                let capacity = room(bytes, self.announced, self.bytes_max);
                self.lease.widen(capacity)?;
                let mut joined = BytesMut::with_capacity(capacity);
                joined.extend_from_slice(&self.first);
                joined.extend_from_slice(&chunk);
                self.first = Bytes::new();
                self.joined = Some(joined);
            }
            Some(joined) => {
                if bytes > joined.capacity() {
                    let capacity = room(bytes, self.announced, self.bytes_max);
                    self.lease.widen(capacity)?;
                    joined.reserve(capacity - joined.len());
                }
                joined.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }

    /// What is there so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.joined {
            Some(joined) => joined,
            None => &self.first,
        }
    }

    /// The whole body.
    pub(crate) fn finish(self) -> Held {
        let bytes = self.joined.map_or(self.first, BytesMut::freeze);
        Held { bytes, lease: self.lease }
    }

    fn too_large(&self) -> RequestError {
        RequestError::TooLarge { bytes_max: self.bytes_max - self.overhead }
    }
}

/// The room to make for a body of which `bytes` are there: what was announced, as far as what came lets hope for it, else twice as much.
fn room(bytes: usize, announced: usize, bytes_max: usize) -> usize {
    let hoped_for = bytes.saturating_mul(ROOM_AHEAD).max(ROOM_BYTES_MIN);
    let room = if announced >= bytes { hoped_for.min(announced) } else { bytes.saturating_mul(2).min(bytes_max) };
    room.max(bytes)
}

/// Reads a body to its end.
///
/// # Errors
/// When it is, or announces itself to be, over a limit; when it breaks off or takes too long.
pub(crate) async fn read<B>(body: &mut B, bounds: &Bounds, lease: Lease) -> Result<Held, RequestError>
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    let mut gather = Gather::new(bounds, lease, 0);
    gather.announce(announced(body))?;
    bounds
        .in_time(async {
            while let Some(chunk) = next_chunk(body).await? {
                gather.push(chunk)?;
            }
            Ok(gather.finish())
        })
        .await
}

/// The length that a sender announced, 0 where it did not.
pub(crate) fn announced(body: &impl Body) -> u64 {
    body.size_hint().exact().unwrap_or(body.size_hint().lower())
}

/// The next bytes of a body; `None` at its end. Trailers are passed over.
pub(crate) async fn next_chunk<B>(body: &mut B) -> Result<Option<Bytes>, RequestError>
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Ok(chunk) = frame.into_data()
            && !chunk.is_empty()
        {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Reads a refused body's rest, within bounds, and throws it away.
pub(crate) async fn discard<B>(body: &mut B)
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    discard_up_to(body, DISCARDED_BYTES_MAX).await;
}

/// The same of a body that was refused since there is too much to do: when its time for that has come, see [`crate::pace`].
pub(crate) async fn discard_busy<B>(body: &mut B)
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    PACE.turn().await;
    PACE.meter(discard_up_to(body, DISCARDED_BYTES_BUSY_MAX)).await;
}

async fn discard_up_to<B>(body: &mut B, mut bytes_left: usize)
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    let rest = async {
        while let Ok(Some(chunk)) = next_chunk(body).await {
            bytes_left = bytes_left.saturating_sub(chunk.len());
            if bytes_left == 0 {
                break;
            }
        }
    };
    if tokio::time::timeout(DISCARD_TIMEOUT, rest).await.is_err() {
        tracing::debug!("a refused body was not read to its end in time");
    }
}

/// What became of a body that can't be read to its end.
fn broken(error: &dyn std::error::Error) -> RequestError {
    let cause = root_cause(error);
    if has_bad_chunks(error) { RequestError::Chunks(cause) } else { RequestError::Interrupted(cause) }
}

/// Whether it is the chunks that can't be read. hyper says so by the kind of the error below its own; of a connection that was cut the kind is
/// `UnexpectedEof` or the system's.
fn has_bad_chunks(error: &dyn std::error::Error) -> bool {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData)
            // A record of TLS that was spoilt on the way has the same kind, and may be whole the next time.
            && error.get_ref().is_none_or(|inner| !inner.is::<rustls::Error>())
    })
}

/// The innermost cause, which names what happened; the outer ones say `error reading a body`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use flyball_model::admission::{Budget, Crowded, Sender};
    use flyball_model::ledger::Reason;
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn chunks(chunks: &[&'static [u8]]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames: Vec<_> = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))).collect();
        StreamBody::new(stream::iter(frames))
    }

    fn lease(budget: &std::sync::Arc<Budget>) -> Lease {
        budget.lease(Sender { name: "10.0.0.7".into(), connection: 1 }, 0).expect("there is room")
    }

    #[tokio::test]
    async fn chunks_become_one_body_and_the_room_is_given_back() {
        let budget = Budget::new(100);
        let held = read(&mut chunks(&[b"ab", b"", b"cde", b"fghij"]), &Bounds::new(10), lease(&budget)).await;
        let held = held.expect("ten bytes fit");
        assert_eq!(&held.bytes[..], b"abcdefghij");
        assert_eq!(budget.bytes(), 10);
        drop(held);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn what_is_announced_is_made_room_for_as_far_as_it_came() {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        for (what, bytes, announced, bytes_max, expected) in [
            ("two bytes of many", 2, 60 * MIB, 64 * MIB, ROOM_BYTES_MIN),
            ("two bytes of three", 2, 3, 64 * MIB, 3),
            ("a socket's worth of a usual batch", 64 * KIB, 200 * KIB, 64 * MIB, 200 * KIB),
            ("the same of a long one", 64 * KIB, 2 * MIB, 64 * MIB, MIB),
            ("nothing was announced", 64 * KIB, 0, 64 * MIB, 128 * KIB),
            ("more came than was announced", 64 * KIB, 10, 64 * MIB, 128 * KIB),
            ("near the limit", 60 * MIB, 0, 64 * MIB, 64 * MIB),
        ] {
            assert_eq!(room(bytes, announced, bytes_max), expected, "{what}");
        }
    }

    #[tokio::test]
    async fn a_sender_of_a_byte_now_and_then_holds_little_of_the_room() {
        let budget = Budget::new(64 * 1024 * 1024);
        let mut gather = Gather::new(&Bounds::new(64 * 1024 * 1024), lease(&budget), 0);
        gather.announce(60_000_000).expect("it is within the limit");
        for _ in 0..100 {
            gather.push(Bytes::from_static(b"x")).expect("there is room");
        }
        assert_eq!((gather.bytes().len(), budget.bytes()), (100, ROOM_BYTES_MIN));
    }

    #[tokio::test]
    async fn a_body_in_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"abc");
        let mut gather = Gather::new(&Bounds::new(10), Lease::default(), 0);
        gather.push(chunk.clone()).expect("three bytes fit");
        assert_eq!(gather.finish().bytes.as_ptr(), chunk.as_ptr());
    }

    #[tokio::test]
    async fn a_body_is_refused_as_soon_as_it_is_over_the_limit() {
        let error = read(&mut chunks(&[b"ab", b"cd"]), &Bounds::new(3), Lease::default()).await;
        let error = error.expect_err("four bytes do not fit");
        assert!(matches!(error, RequestError::TooLarge { bytes_max: 3 }), "{error}");
    }

    #[tokio::test]
    async fn bodies_beyond_the_budget_are_told_to_come_again() {
        let (budget, bounds) = (Budget::new(6), Bounds::new(3));
        let held = read(&mut chunks(&[b"abc"]), &bounds, lease(&budget)).await.expect("there is room");
        let error = read(&mut chunks(&[b"ab"]), &bounds, lease(&budget)).await.expect_err("half of it is held");
        assert!(matches!(error, RequestError::Crowded(Crowded { bytes_max: 6 })), "{error}");
        drop(held);
        assert!(read(&mut chunks(&[b"ab"]), &bounds, lease(&budget)).await.is_ok());
    }

    #[tokio::test]
    async fn what_may_be_whole_the_next_time_is_not_the_senders_fault() {
        for (error, reason) in [
            (io::Error::new(ErrorKind::InvalidInput, "Invalid chunk size line: Invalid Size"), Reason::Malformed),
            (io::Error::new(ErrorKind::InvalidData, "chunk extensions over limit"), Reason::Malformed),
            (io::Error::new(ErrorKind::InvalidData, rustls::Error::DecryptError), Reason::Interrupted),
            (ErrorKind::UnexpectedEof.into(), Reason::Interrupted),
            (ErrorKind::ConnectionReset.into(), Reason::Interrupted),
        ] {
            let frames = [Err::<Frame<Bytes>, _>(axum::Error::new(error))];
            let mut body = StreamBody::new(stream::iter(frames));
            let error = read(&mut body, &Bounds::new(3), Lease::default()).await.expect_err("it is not whole");
            assert_eq!(error.reason(), reason, "{error}");
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let read_timeout = Duration::from_millis(1);
        let bounds = Bounds { read_timeout, ..Bounds::new(3) };
        let mut body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let error = read(&mut body, &bounds, Lease::default()).await.expect_err("nothing comes");
        assert!(matches!(error, RequestError::TimedOut(after) if after == read_timeout), "{error}");
    }
}
