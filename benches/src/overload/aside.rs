//! Who has a thread of its own beside the load.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use flyball_bench::load::Load;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::crowd::Crowd;
use super::quiet::Quiet;
use crate::client::Endpoint;
use crate::pace::{Tally, aside};

/// The quiet sender, until `stop`.
pub(super) fn quiet(
    endpoint: &Arc<Endpoint>,
    load: Load,
    series: usize,
    stop: &CancellationToken,
) -> Result<oneshot::Receiver<Result<Tally>>> {
    let (endpoint, stop) = (Arc::clone(endpoint), stop.clone());
    aside::run("quiet", async move { Ok(Quiet::connect(&endpoint, load, series).await?.send_until(&stop).await) })
}

/// The connections that only cost, until `stop`; and when they have ended.
pub(super) fn crowd(
    telemetry: SocketAddr,
    api: SocketAddr,
    options: &Options,
    stop: &CancellationToken,
) -> Result<(Arc<Crowd>, oneshot::Receiver<()>)> {
    let crowd = Arc::new(Crowd::new(options.idle, options.slow_writers, options.slow_readers));
    let ended = aside::run("crowd", Arc::clone(&crowd).stand_around(telemetry, api, stop.clone()))?;
    Ok((crowd, ended))
}
