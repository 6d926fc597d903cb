//! An answer on its way to a peer that may not take it.
//!
//! Over HTTP/2 a peer can keep an answer here without ever blocking the socket: it need only open no window for it. So the body of an
//! answer is watched, not only the bytes of the connection. Two things make that tell what was taken: the body is handed over in pieces,
//! since whoever sends one asks for the next as soon as a single byte of window is there, and it keeps the whole piece; and its last byte
//! goes by itself, since a body is let go with its last piece, which then waits for as much window as all of it needs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::watch::Call;

/// Bytes of an answer that are handed over at once over HTTP/2: a frame of its default size (RFC 9113, 6.5.2).
const PIECE_BYTES: usize = 16 * 1024;

/// The body of an answer. Its call is under way until the body is dropped.
#[derive(Debug)]
pub struct Answer<B> {
    body: B,
    /// What is left of the body's last frame (HTTP/2).
    rest: Bytes,
    call: Call,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, call: Call) -> Self {
        Self { body, rest: Bytes::new(), call }
    }

    /// The next piece of `rest`.
    fn piece(&mut self) -> Frame<Bytes> {
        let bytes = match self.rest.len() {
            0..=1 => self.rest.len(),
            len => PIECE_BYTES.min(len - 1),
        };
        Frame::data(self.rest.split_to(bytes))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.call.asked_for_more();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if self.call.is_multiplexed() => self.rest = data,
                    Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.piece();
        self.call.handed_over();
        Poll::Ready(Some(Ok(piece)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests;
