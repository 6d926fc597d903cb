//! Threads of their own for rules and events. Those that decode are busy for a millisecond at a time, and an event goes through eight tasks on its
//! way from the socket to the webhook: behind others in a queue each of them would wait for that.

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime beside the one that it was started in, which ends with this.
#[derive(Debug)]
pub(crate) struct Urgent {
    handle: Handle,
    /// `None` where there were no threads for it, and the other one does its work.
    runtime: Option<Runtime>,
}

impl Urgent {
    /// Starts it.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn start() -> Self {
        match Builder::new_multi_thread().thread_name("urgent").enable_all().build() {
            Ok(runtime) => Self { handle: runtime.handle().clone(), runtime: Some(runtime) },
            Err(error) => {
                tracing::warn!(%error, "no threads for rules and events alone; they share those that decode");
                Self { handle: Handle::current(), runtime: None }
            }
        }
    }

    /// Where tasks are spawned.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        // It is dropped by a task of the other runtime, which must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
