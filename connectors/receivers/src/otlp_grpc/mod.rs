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
use std::sync::Arc;
use std::time::Duration;

use flyball_model::{Clock, Intake};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::Desk;
use crate::error::RequestError;
use crate::gate::Gate;
use crate::net::{Arrival, Listener};
use crate::peer;

/// Protocols that a client may choose from when its connection is secured: gRPC is spoken over nothing else.
pub const PROTOCOLS: [&str; 1] = ["h2"];

/// How long requests in flight may take to finish after the cancellation.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves OTLP/gRPC on `listener` until `cancel`, then finishes the requests in flight, for at most 3 s. Calls that `gate` does not
/// let in are answered UNAUTHENTICATED or PERMISSION_DENIED; a connection beyond the port's bound is closed at once and stands in
/// the ledger as unavailable.
///
/// # Errors
/// When connections can't be accepted any more.
///
/// # Cancel safety
/// Dropping the future drops all connections, without a drain.
pub async fn serve(
    listener: Listener,
    gate: Arc<dyn Gate>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let desk = Arc::new(Desk::new("otlp_grpc", intake, clock));
    let context = Context {
        desk: Arc::clone(&desk),
        gate,
        calls: TaskTracker::new(),
        draining: cancel.child_token(),
        killed: CancellationToken::new(),
    };
    // Dropping this future must not leave calls behind.
    let _kill_on_drop = context.killed.clone().drop_guard();
    let mut connections = JoinSet::new();
    let result = loop {
        let arrival = tokio::select! {
            () = cancel.cancelled() => break Ok(()),
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an OTLP/gRPC connection ended by a panic");
                }
                continue;
            }
            arrival = listener.accept() => match arrival {
                Ok(arrival) => arrival,
                Err(error) => break Err(error),
            },
        };
        match arrival {
            Arrival::Seated(guest) => drop(connections.spawn(connection::run(guest, context.clone()))),
            Arrival::Refused(address) => {
                let max = listener.seats().max();
                desk.refuse(&peer::name(address), None, &RequestError::Connections { max });
            }
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
    gate: Arc<dyn Gate>,
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
