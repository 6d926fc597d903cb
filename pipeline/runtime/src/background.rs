//! Work that can wait: blocking, long, and on a thread of its own that leaves the cores to whoever else wants them.

use tokio::sync::oneshot;

/// How far such a thread stands back: beside one of normal priority it gets a tenth of a core, and all of one that is idle.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Runs it to its end, also when the future is dropped.
///
/// # Errors
/// [`Lost`] when it panicked, or no thread could be had.
pub(crate) async fn run<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, Lost> {
    let (done, result) = oneshot::channel();
    let work = move || {
        stand_back();
        // Nobody may wait any more.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name("background".into()).spawn(work).map_err(Lost::NoThread)?;
    result.await.map_err(|_| Lost::Panicked)
}

/// Why background work has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("no thread for it: {0}")]
    NoThread(std::io::Error),
    #[error("it panicked")]
    Panicked,
}

fn stand_back() {
    // Only Linux has a priority for each thread; elsewhere it would be that of the process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "background work has the priority of all other");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn its_thread_stands_back_and_no_other_does() {
        let usual = getpriority_process(None).expect("every thread has one");
        let there = run(|| getpriority_process(None)).await.expect("a thread").expect("every thread has one");
        assert_eq!(there, usual.max(NICE));
        assert_eq!(getpriority_process(None), Ok(usual));
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let lost = run(|| {
            if true {
                panic!("on purpose")
            }
        })
        .await;
        assert!(matches!(lost, Err(Lost::Panicked)));
    }
}
