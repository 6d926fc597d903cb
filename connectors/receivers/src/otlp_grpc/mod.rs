//! OTLP over gRPC: the three `Export` calls, spoken directly over HTTP/2.
//!
//! Not with tonic: a body must reach the pipeline as it came, because only the pipeline's decompressor is capped, and
//! because nothing here should cost more than reading the socket. Unary calls need little of gRPC: a prefix of five
//! bytes before the message (`message`), a status in the trailers (`answer`).
//!
//! `grpc-timeout` is not looked at: a client whose deadline passes resets its stream, and that ends the call here too.
//!
//! Sources: `PROTOCOL-HTTP2.md` and `compression.md` of gRPC; OpenTelemetry Protocol specification 1.x, section OTLP/gRPC.

mod answer;
mod call;
mod connection;
mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::{Clock, Intake};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::Desk;
use crate::error::RequestError;
use crate::peer;

/// Connections at once. An OTLP client keeps one open, so this is a fleet of agents; a further one is closed at once and
/// stands in the ledger as unavailable.
const CONNECTIONS_MAX: usize = 1024;

/// How long requests in flight may take to finish after the cancellation.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The pause after a connection could not be accepted for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Failures in a row after which the listener is given up.
const ACCEPT_FAILURES_MAX: u32 = 150;

/// Serves OTLP/gRPC on `listener` until `cancel`, then finishes the requests in flight, for at most 5 s.
///
/// # Errors
/// When connections can't be accepted any more.
///
/// # Cancel safety
/// Dropping the future drops all connections, without a drain.
pub async fn serve(
    listener: TcpListener,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let desk = Arc::new(Desk::new("otlp_grpc", intake, clock));
    let context = Context {
        desk: Arc::clone(&desk),
        calls: TaskTracker::new(),
        draining: cancel.child_token(),
        killed: CancellationToken::new(),
    };
    // Dropping this future must not leave calls behind.
    let _kill_on_drop = context.killed.clone().drop_guard();
    let mut connections = JoinSet::new();
    let result = loop {
        let (stream, address) = tokio::select! {
            () = cancel.cancelled() => break Ok(()),
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an OTLP/gRPC connection ended by a panic");
                }
                continue;
            }
            accepted = accept(&listener) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => break Err(error),
            },
        };
        let peer = peer::name(address);
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(connection::run(stream, peer.into(), context.clone()));
        } else {
            desk.refuse(&peer, None, &RequestError::Connections { max: CONNECTIONS_MAX });
        }
    };
    drop(listener);
    context.drain(connections).await;
    result
}

/// What the connections of one listener share.
#[derive(Clone)]
struct Context {
    desk: Arc<Desk>,
    /// The calls in flight; each is a task, so that a slow one holds up no other on its connection.
    calls: TaskTracker,
    /// No new calls; those in flight go on.
    draining: CancellationToken,
    /// Calls in flight end where they are.
    killed: CancellationToken,
}

impl Context {
    /// Lets the calls in flight finish, ends the rest, and waits until all tasks are gone.
    async fn drain(self, mut connections: JoinSet<()>) {
        self.draining.cancel();
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, finished).await.is_err() {
            tracing::warn!(connections = connections.len(), "OTLP/gRPC calls did not finish in time and are cut off");
        }
        self.killed.cancel();
        connections.shutdown().await;
        self.calls.close();
        self.calls.wait().await;
    }
}

/// The next connection. A shortage of file descriptors passes, so it is waited for; the backlog waits in the kernel.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let mut failures = 0;
    loop {
        match listener.accept().await {
            Ok(accepted) => return Ok(accepted),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if failures == ACCEPT_FAILURES_MAX => return Err(error),
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "can't accept an OTLP/gRPC connection; trying on");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error speaks of a connection that was gone before it was accepted, and not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
