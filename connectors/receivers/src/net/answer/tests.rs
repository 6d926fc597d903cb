use std::convert::Infallible;
use std::time::Duration;

use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;

use super::*;
use crate::net::{House, Times, Watch};
use crate::testing::collect;

/// Longer than a client in the same process takes to do what it does.
const SHORT: Duration = Duration::from_millis(200);
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

const TIMES: Times = Times { first: LONG, head: LONG, idle: LONG, idle_crowded: SHORT, stalled: SHORT };

type Reply = BoxBody<Bytes, Infallible>;

/// A body that tells when it is let go.
struct Told {
    body: Reply,
    _gone: oneshot::Sender<()>,
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Exchange {
    /// The answer as the client sees it, of which nothing was read.
    response: Response<Incoming>,
    /// Ends with the body's value in the server.
    gone: oneshot::Receiver<()>,
    /// What the watch says, when it does.
    expired: oneshot::Receiver<&'static str>,
}

async fn serve(
    stream: DuplexStream,
    body: Reply,
    times: Times,
    expired: oneshot::Sender<&'static str>,
) -> oneshot::Receiver<()> {
    let (gone, is_gone) = oneshot::channel();
    let watch = Watch::new(&House::new(100).seats("test"), true, times);
    let answer = parking_lot::Mutex::new(Some(Told { body, _gone: gone }));
    tokio::spawn(async move {
        let service = service_fn(|_: Request<Incoming>| {
            let body = answer.lock().take().expect("one request");
            let answer = Response::new(watch.call().answer(body));
            async move { Ok::<_, Infallible>(answer) }
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection(TokioIo::new(watch.over(stream)), service);
        tokio::select! {
            _ = connection => {}
            why = watch.expired() => drop(expired.send(why)),
        }
    });
    is_gone
}

/// Asks with a client of this window for a stream, which it opens again only as far as the answer is read.
async fn ask(window: u32, body: Reply) -> Exchange {
    ask_within(TIMES, window, body).await
}

async fn ask_within(times: Times, window: u32, body: Reply) -> Exchange {
    let (client, server) = tokio::io::duplex(1 << 20);
    let (tell, expired) = oneshot::channel();
    let gone = serve(server, body, times, tell).await;
    let (mut client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(client))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    let response = client.send_request(Request::new(Empty::new())).await.expect("a head");
    // The connection lives as long as its client.
    tokio::spawn(async move {
        client.ready().await.ok();
        std::future::pending::<()>().await;
    });
    Exchange { response, gone, expired }
}

fn whole(bytes: usize) -> Reply {
    Full::from(vec![b'x'; bytes]).boxed()
}

/// A message and trailers, as in gRPC.
fn with_trailers(bytes: usize) -> Reply {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from(vec![b'x'; bytes])), Frame::trailers(trailers)];
    BodyExt::boxed(StreamBody::new(stream::iter(frames.map(Ok))))
}

#[tokio::test]
async fn an_answer_for_which_no_window_is_opened_is_given_up() {
    for (window, body) in [
        (0, whole(1)),
        (0, whole(1 << 20)),
        (0, with_trailers(5)),
        // One byte short of all, which the sender would keep after it let go of the body.
        (1, whole(2)),
        (4, with_trailers(5)),
        (1, whole(20_000)),
        (65_535, whole(65_536)),
        (65_535, whole(16 << 20)),
    ] {
        let exchange = ask(window, body).await;
        let why = tokio::time::timeout(LONG, exchange.expired).await.expect("it expires").expect("a reason");
        assert_eq!(why, "it does not take its answer", "window {window}");
        tokio::time::timeout(LONG, exchange.gone).await.expect("nothing is kept").expect_err("dropped");
        drop(exchange.response);
    }
}

#[tokio::test]
async fn an_answer_that_fits_its_window_is_off_even_if_nobody_reads_it() {
    for (window, body) in
        [(0, whole(0)), (1, whole(1)), (5, with_trailers(5)), (20_000, whole(20_000)), (65_535, whole(65_535))]
    {
        let mut exchange = ask(window, body).await;
        tokio::time::timeout(LONG, exchange.gone).await.expect("it was let go").expect_err("dropped");
        let lived = tokio::time::timeout(SHORT * 2, &mut exchange.expired).await;
        assert!(lived.is_err(), "window {window}: {lived:?}");
        drop(exchange.response);
    }
}

#[tokio::test]
async fn an_answer_arrives_as_it_was_however_small_the_window() {
    // A piece through a window of 7 bytes takes thousands of turns, and a busy machine its time for them.
    let times = Times { stalled: LONG, ..TIMES };
    let lengths = [0, 1, 2, 3, PIECE_BYTES, PIECE_BYTES + 1, PIECE_BYTES + 2, 100_000];
    for (window, length) in [7, 1 << 20].into_iter().flat_map(|window| lengths.map(|length| (window, length))) {
        let sent: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let parts: Vec<_> = sent.chunks(40_000).map(|part| Frame::data(Bytes::copy_from_slice(part))).collect();
        for body in [
            Full::from(sent.clone()).boxed(),
            BodyExt::boxed(StreamBody::new(stream::iter(parts).map(Ok::<_, Infallible>))),
        ] {
            let exchange = ask_within(times, window, body).await;
            let received = collect(exchange.response.into_body()).await.to_bytes();
            assert!(received == sent, "window {window}, {length} bytes: {} came", received.len());
        }
    }
    let exchange = ask_within(times, 3, with_trailers(50)).await;
    let all = collect(exchange.response.into_body()).await;
    assert_eq!(all.trailers().map(HeaderMap::len), Some(1));
    assert_eq!(all.to_bytes().len(), 50);
}

#[tokio::test]
async fn an_answer_that_is_still_being_made_is_nobodys_fault() {
    let (more, rest) = oneshot::channel::<Bytes>();
    let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"first, ")))]);
    let then = stream::once(async move { Ok(Frame::data(rest.await.expect("sent"))) });
    // In a box that may be shared between threads; nobody does.
    let body = StreamBody::new(first.chain(then).boxed());
    let mut exchange = ask(1 << 20, SyncBody(parking_lot::Mutex::new(body)).boxed()).await;
    let lived = tokio::time::timeout(SHORT * 2, &mut exchange.expired).await;
    assert!(lived.is_err(), "{lived:?}");
    more.send(Bytes::from_static(b"then")).expect("it is waited for");
    assert_eq!(collect(exchange.response.into_body()).await.to_bytes(), "first, then");
}

/// A body behind a lock.
struct SyncBody<B>(parking_lot::Mutex<B>);

impl<B: Body + Unpin> Body for SyncBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(self.0.get_mut()).poll_frame(cx)
    }
}
