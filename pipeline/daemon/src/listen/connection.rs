//! One connection: HTTP/1 or HTTP/2, within its bounds.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use flyball_receivers::net::{Answer, CONNECTIONS_MAX, Guest, Opened, Times, Watch};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::door::Door;

/// Bytes of a request's head: a JWT has a few kilobytes, and a proxy may add as much.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What is read ahead of an HTTP/1 connection, before anybody asked for it or made room in the budget. hyper would read six times as much,
/// and thousands of connections whose bodies are not let in yet would hold it all.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 100;

/// Requests at once on one connection of HTTP/2; RFC 9113 (6.5.2) advises against less.
const STREAMS_MAX: u32 = 100;
/// What a client may send of one body before we have read any of it, and of all bodies of its connection.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES;
/// A peer that says nothing for this long is asked whether it is still there, and has the other time to say so (HTTP/2).
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long requests under way may take once the connection is told to end for its idleness: there are none, but for a race.
const END_TIMEOUT: Duration = Duration::from_secs(2);

const _: () =
    assert!(HEAD_BYTES_MAX * CONNECTIONS_MAX <= 512 * 1024 * 1024, "heads that don't end must fit into memory");

/// Serves a connection until its peer closes it, it costs more than it does, or the port drains.
pub(super) async fn run(guest: Guest, door: Arc<Door>, times: Times, draining: CancellationToken) {
    let peer = guest.address;
    let opened = tokio::select! {
        () = draining.cancelled() => return,
        opened = guest.open() => opened,
    };
    let Opened { stream, http2, seat, .. } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(%peer, %error, "connection closed");
            return;
        }
    };
    let watch = Watch::new(seat.seats(), http2, times);
    let stream = TokioIo::new(watch.over(stream));
    let service = service_fn(|request| serve(&door, &watch, peer, request));
    let result = if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let connection = pin!(builder.serve_connection(stream, service));
        until_end(connection, |connection| connection.graceful_shutdown(), &watch, &draining).await
    } else {
        let mut builder = http1::Builder::new();
        // The watch knows a head that is slow from a connection that waits; hyper's timer does not.
        builder
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .half_close(false);
        let connection = pin!(builder.serve_connection(stream, service));
        until_end(connection, |connection| connection.graceful_shutdown(), &watch, &draining).await
    };
    match result {
        Ok(()) => {}
        Err(Ended::Broken(error)) => tracing::debug!(%peer, %error, "connection ended"),
        Err(Ended::Expired(why)) => tracing::debug!(%peer, why, "connection closed"),
    }
}

/// Why a connection ended other than by its peer.
enum Ended {
    Broken(hyper::Error),
    Expired(&'static str),
}

/// Drives a connection to its end. `finish` tells it to end after the requests under way.
async fn until_end<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    watch: &Watch,
    draining: &CancellationToken,
) -> Result<(), Ended> {
    let why = tokio::select! {
        result = connection.as_mut() => return result.map_err(Ended::Broken),
        why = watch.expired() => why,
        () = draining.cancelled() => {
            finish(connection.as_mut());
            tokio::select! {
                result = connection.as_mut() => return result.map_err(Ended::Broken),
                why = watch.expired() => why,
            }
        }
    };
    finish(connection.as_mut());
    // What does not end by then is cut off.
    let _ = timeout(END_TIMEOUT, connection).await;
    Err(Ended::Expired(why))
}

/// Hands a request to the router of the moment.
fn serve(
    door: &Door,
    watch: &Watch,
    peer: SocketAddr,
    mut request: hyper::Request<Incoming>,
) -> impl Future<Output = Result<http::Response<Answer<Body>>, std::convert::Infallible>> + Send + use<> {
    let under_way = watch.call();
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = TowerToHyperService::new(door.router()).call(request);
    async move { Ok(answer.await?.map(|body| under_way.answer(body))) }
}
