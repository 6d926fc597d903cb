//! One connection: HTTP/2 with prior knowledge, or a clear word to whoever speaks something else.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{Context, answer, call};
use crate::error::RequestError;

/// What every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long the first bytes may take; then the connection is closed, so that silent ones do not use up the bound.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before looking again whether the rest of a preface has come. It hardly ever comes in pieces.
const PREFACE_PAUSE: Duration = Duration::from_millis(20);

/// What a client may send of one body before we have read any of it: an 8,192-point batch goes out in one flight.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for all bodies of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;
/// Larger frames than the default 16 KiB mean fewer of them, for clients that make use of it. Each connection may make us
/// hold one, so the product with the connections must stay within reason.
const FRAME_BYTES_MAX: u32 = 256 * 1024;
/// Calls at once on one connection. Exporters have a handful in flight; RFC 9113 (6.5.2) advises against less than this,
/// and clients rely on it before they have seen our settings.
const CALLS_MAX: u32 = 100;
/// Bytes of one request's headers.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// A peer that says nothing for this long is asked whether it is still there,
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// and has this long to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

const _: () = assert!(FRAME_BYTES_MAX as usize * super::CONNECTIONS_MAX <= 256 * 1024 * 1024);
const _: () = assert!(FRAME_BYTES_MAX <= STREAM_WINDOW_BYTES);

/// Serves a connection until the peer closes it or the server drains.
pub(super) async fn run(stream: TcpStream, peer: Arc<str>, context: Context) {
    let draining = context.draining.clone();
    let preface = tokio::time::timeout(PREFACE_TIMEOUT, begins_with_preface(&stream));
    let speaks_http2 = tokio::select! {
        () = draining.cancelled() => return,
        preface = preface => preface,
    };
    let result = match speaks_http2 {
        Ok(Ok(true)) => serve_http2(stream, &peer, context).await,
        Ok(Ok(false)) => answer_http1(stream, &peer, &context).await,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "connection lost before its first request");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "connection closed: it said nothing");
            return;
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Looks at the first bytes without taking them.
async fn begins_with_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let bytes = stream.peek(&mut first).await?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&first[..bytes]) {
            return Ok(false);
        }
        if bytes == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}

async fn serve_http2(stream: TcpStream, peer: &Arc<str>, context: Context) -> hyper::Result<()> {
    // Answers are small; waiting to fill a packet would only delay the client's next batch.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "can't set TCP_NODELAY");
    }
    let draining = context.draining.clone();
    let calls = Calls { tracker: context.calls.clone(), killed: context.killed.clone() };
    let service = service_fn(|request| {
        let (desk, peer) = (Arc::clone(&context.desk), Arc::clone(peer));
        async move { Ok::<_, Infallible>(call::answer(&desk, &peer, request).await) }
    });
    let mut builder = http2::Builder::new(calls);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(CALLS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = connection.as_mut() => return result,
        () = draining.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// Tells a client that is set to OTLP/HTTP which port it wants, and closes.
async fn answer_http1(stream: TcpStream, peer: &str, context: &Context) -> hyper::Result<()> {
    let service = service_fn(|_| {
        let error = RequestError::ContentType { found: "sent over HTTP/1".to_owned(), expected: answer::GRPC_WANTED };
        context.desk.refuse(peer, None, &error);
        async move { Ok::<_, Infallible>(answer::not_grpc(http::StatusCode::BAD_REQUEST, &error)) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PREFACE_TIMEOUT).keep_alive(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        result = connection => result,
        () = context.draining.cancelled() => Ok(()),
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
