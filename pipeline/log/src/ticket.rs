//! Waiting for a record.

use flyball_model::state::NotDurable;
use tokio::sync::oneshot;

/// A record that was submitted.
#[derive(Debug)]
pub struct Ticket(pub(crate) Option<oneshot::Receiver<Result<(), NotDurable>>>);

impl Ticket {
    /// Waits until the record, and every one before it, is as durable as promised.
    ///
    /// # Errors
    /// When the disk refused it, or the log was stopped. It is kept and may become durable later.
    ///
    /// # Cancel safety
    /// Safe; the record is written all the same.
    pub async fn durable(self) -> Result<(), NotDurable> {
        match self.0 {
            None => Ok(()),
            Some(told) => told.await.unwrap_or_else(|_| Err(NotDurable("flyball is stopping".into()))),
        }
    }

    /// [`Ticket::durable`] for a thread that may block.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn wait(self) -> Result<(), NotDurable> {
        let stopping = || Err(NotDurable("flyball is stopping".into()));
        self.0.map_or(Ok(()), |told| told.blocking_recv().unwrap_or_else(|_| stopping()))
    }

    /// The answer, if there is one already.
    #[cfg(test)]
    pub(crate) fn now(mut self) -> Result<Result<(), NotDurable>, Self> {
        let Some(told) = &mut self.0 else { return Ok(Ok(())) };
        told.try_recv().map_err(|_| self)
    }
}
