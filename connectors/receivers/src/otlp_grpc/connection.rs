//! One connection: HTTP/2 with prior knowledge, or a clear word to whoever speaks something else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;

use super::{Context, answer, call};
use crate::error::RequestError;
use crate::net::{CONNECTIONS_MAX, Guest, OPENING_TIMEOUT, Opened, Seat, Stream, Times, Watch};
use crate::peer;

/// What a client may send of one body before we have read any of it: an 8,192-point batch goes out in one flight.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for all bodies of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;
/// Larger frames than the default mean fewer of them, for clients that make use of it. Each connection may make us hold one, so
/// only so many get them, and the product must stay within reason.
const FRAME_BYTES_MAX: u32 = 256 * 1024;
const LARGE_FRAMES_CONNECTIONS: usize = 1024;
/// What every connection gets: HTTP/2's default, and the least that there is.
const FRAME_BYTES: u32 = 16 * 1024;
/// Calls at once on one connection. Exporters have a handful in flight; RFC 9113 (6.5.2) advises against less than this,
/// and clients rely on it before they have seen our settings.
const CALLS_MAX: u32 = 100;
/// Bytes of one request's headers.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// A peer that says nothing for this long is asked whether it is still there,
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// and has this long to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long calls under way may take once the connection is told to end.
const END_TIMEOUT: Duration = Duration::from_secs(10);

const _: () = assert!(
    FRAME_BYTES_MAX as usize * LARGE_FRAMES_CONNECTIONS + FRAME_BYTES as usize * CONNECTIONS_MAX <= 512 * 1024 * 1024
);
const _: () = assert!(FRAME_BYTES_MAX <= STREAM_WINDOW_BYTES);

/// Serves a connection until the peer closes it, it has been idle for too long, or the server drains.
pub(super) async fn run(guest: Guest, context: Context) {
    let address = guest.address;
    let peer: Arc<str> = peer::name(address).into();
    let opened = tokio::select! {
        () = context.draining.cancelled() => return,
        opened = guest.open() => opened,
    };
    let result = match opened {
        Ok(Opened { stream, http2: true, seat, .. }) => serve_http2(stream, &seat, address, &peer, context).await,
        Ok(Opened { stream, .. }) => answer_http1(stream, &peer, &context).await,
        Err(error) => {
            tracing::debug!(%peer, %error, "connection closed");
            return;
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn serve_http2(
    stream: Stream,
    seat: &Seat,
    address: SocketAddr,
    peer: &Arc<str>,
    context: Context,
) -> hyper::Result<()> {
    let draining = context.draining.clone();
    let calls = Calls { tracker: context.calls.clone(), killed: context.killed.clone() };
    let watch = Watch::new(seat.seats(), true, Times::DEFAULT);
    let service = service_fn(|request| {
        let under_way = watch.call();
        let (desk, gate, peer) = (Arc::clone(&context.desk), Arc::clone(&context.gate), Arc::clone(peer));
        async move {
            let answer = call::answer(&desk, &*gate, &peer, peer::connection(address), request).await;
            Ok::<_, Infallible>(answer.map(|body| under_way.answer(body)))
        }
    });
    let large = seat.seats().open() <= LARGE_FRAMES_CONNECTIONS;
    let mut builder = http2::Builder::new(calls);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(if large { FRAME_BYTES_MAX } else { FRAME_BYTES })
        .max_concurrent_streams(CALLS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(watch.over(stream)), service));
    tokio::select! {
        result = connection.as_mut() => return result,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // How long calls may take then is the server's affair.
            return connection.await;
        }
        why = watch.expired() => tracing::debug!(%peer, why, "connection closed"),
    }
    connection.as_mut().graceful_shutdown();
    timeout(END_TIMEOUT, connection).await.unwrap_or(Ok(()))
}

/// Tells a client that is set to OTLP/HTTP which port it wants, and closes.
async fn answer_http1(stream: Stream, peer: &str, context: &Context) -> hyper::Result<()> {
    let service = service_fn(|_| {
        let error = RequestError::ContentType { found: "sent over HTTP/1".to_owned(), expected: answer::GRPC_WANTED };
        context.desk.refuse(peer, None, &error);
        async move { Ok::<_, Infallible>(answer::not_grpc(http::StatusCode::BAD_REQUEST, &error)) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(OPENING_TIMEOUT)
        .max_header_size(HEADERS_BYTES_MAX as usize)
        .keep_alive(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        result = connection => result,
        () = context.draining.cancelled() => Ok(()),
        // A body that never ends, or an answer that is never taken.
        () = tokio::time::sleep(2 * OPENING_TIMEOUT) => Ok(()),
    }
}

/// Runs each call as a task that the drain knows of.
#[derive(Clone)]
struct Calls {
    tracker: tokio_util::task::TaskTracker,
    killed: tokio_util::sync::CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Calls
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        let killed = self.killed.clone();
        self.tracker.spawn(async move {
            // `None`: cut off by the drain, which says so itself.
            let _ = killed.run_until_cancelled_owned(call).await;
        });
    }
}
