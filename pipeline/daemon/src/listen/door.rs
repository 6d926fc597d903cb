//! A port and what is behind it.

use std::io;
use std::sync::Arc;

use axum::Router;
use flyball_receivers::net::{Arrival, Listener, Times};
use parking_lot::RwLock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection;

/// What is behind a port, which may be exchanged while connections are open: each request goes to the router of its moment.
#[derive(Debug)]
pub(crate) struct Door {
    router: RwLock<Router>,
    times: Times,
}

impl Door {
    /// With `router` behind it.
    pub(crate) fn new(router: Router) -> Arc<Self> {
        Self::with_times(router, Times::DEFAULT)
    }

    /// For tests, which can't wait.
    pub(super) fn with_times(router: Router, times: Times) -> Arc<Self> {
        Arc::new(Self { router: RwLock::new(router), times })
    }

    /// Puts another router behind it. Requests under way end where they are.
    pub(crate) fn replace(&self, router: Router) {
        *self.router.write() = router;
    }

    pub(super) fn router(&self) -> Router {
        self.router.read().clone()
    }

    /// Serves the port until `cancel`, then lets requests under way end. How long that may take is for the caller to bound.
    ///
    /// # Errors
    /// When connections can't be accepted any more.
    ///
    /// # Cancel safety
    /// Dropping the future drops all connections.
    pub(crate) async fn serve(self: Arc<Self>, listener: Listener, cancel: CancellationToken) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let draining = cancel.child_token();
        let result = loop {
            tokio::select! {
                () = cancel.cancelled() => break Ok(()),
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "an HTTP connection ended by a panic");
                    }
                }
                arrival = listener.accept() => match arrival {
                    Ok(Arrival::Seated(guest)) => {
                        let served = connection::run(guest, Arc::clone(&self), self.times, draining.clone());
                        connections.spawn(served);
                    }
                    Ok(Arrival::Refused(address)) => {
                        tracing::debug!(%address, port = listener.seats().port(), "connection closed: all seats are taken");
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        drop(listener);
        draining.cancel();
        while connections.join_next().await.is_some() {}
        result
    }
}
