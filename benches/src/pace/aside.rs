//! A thread of its own for whom the load must not hold up: on the load's thread a quiet sender would wait for hundreds of other senders,
//! and it would look as if the target had let it wait.

use std::thread;

use anyhow::Result;
use tokio::sync::oneshot;

/// Does it on a thread of this name, which gives what comes of it.
pub(crate) fn run<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<oneshot::Receiver<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (done, result) = oneshot::channel();
    // It ends with its work, or with the process.
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever wanted it may have given up.
        let _ = done.send(runtime.block_on(work));
    })?;
    Ok(result)
}
