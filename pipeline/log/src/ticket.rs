//! Waiting for a record.

use flyball_model::state::NotDurable;
use tokio::sync::oneshot;

/// A record that was submitted.
#[derive(Debug)]
pub struct Ticket(pub(crate) oneshot::Receiver<Result<(), NotDurable>>);

impl Ticket {
    /// Waits until the record, and every one before it, is as durable as promised.
    ///
    /// # Errors
    /// When the disk refused it, or the log was stopped. It is kept and may become durable later.
    ///
    /// # Cancel safety
    /// Safe; the record is written all the same.
    pub async fn durable(self) -> Result<(), NotDurable> {
        self.0.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// [`Ticket::durable`] for a thread that may block.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn wait(self) -> Result<(), NotDurable> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(stopping()))
    }

    /// The answer, if there is one already.
    #[cfg(test)]
    pub(crate) fn now(mut self) -> Result<Result<(), NotDurable>, Self> {
        self.0.try_recv().map_err(|_| self)
    }
}

/// Whoever was to answer is gone.
fn stopping() -> NotDurable {
    NotDurable("flyball is stopping".into())
}
