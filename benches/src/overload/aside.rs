//! A thread of its own for whom the load must not hold up: on the load's thread the quiet sender would wait for hundreds of other senders,
//! and it would look as if flyball had let it wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use flyball_bench::load::Load;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::crowd::Crowd;
use super::quiet::Quiet;
use super::tally::Tally;
use crate::client::Endpoint;

/// The quiet sender, until `stop`.
pub(super) fn quiet(
    endpoint: &Arc<Endpoint>,
    load: Load,
    series: usize,
    stop: &CancellationToken,
) -> Result<oneshot::Receiver<Result<Tally>>> {
    let (endpoint, stop) = (Arc::clone(endpoint), stop.clone());
    run("quiet", async move { Ok(Quiet::connect(&endpoint, load, series).await?.send_until(&stop).await) })
}

/// The connections that only cost, until `stop`; and when they have ended.
pub(super) fn crowd(
    telemetry: SocketAddr,
    api: SocketAddr,
    options: &Options,
    stop: &CancellationToken,
) -> Result<(Arc<Crowd>, oneshot::Receiver<()>)> {
    let crowd = Arc::new(Crowd::new(options.idle, options.slow_writers, options.slow_readers));
    let ended = run("crowd", Arc::clone(&crowd).stand_around(telemetry, api, stop.clone()))?;
    Ok((crowd, ended))
}

/// Does it on a thread of this name, which gives what comes of it.
fn run<T: Send + 'static>(name: &str, work: impl Future<Output = T> + Send + 'static) -> Result<oneshot::Receiver<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (done, result) = oneshot::channel();
    // It ends with its work, or with the process.
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever wanted it may have given up.
        let _ = done.send(runtime.block_on(work));
    })?;
    Ok(result)
}
