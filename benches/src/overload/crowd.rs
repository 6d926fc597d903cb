//! Connections that only cost.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Between two bytes of a slow writer.
const PAUSE: Duration = Duration::from_secs(1);

/// Requests that a slow reader sends at once, each for a page of some tens of kilobytes.
const UNREAD: usize = 500;

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    idle: usize,
    writers: usize,
    readers: usize,
    closed: usize,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, writers, readers, closed } = self;
        write!(
            f,
            "{idle} idle, {writers} slow writers, {readers} slow readers; {closed} of them were closed by flyball"
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Idle,
    SlowHead,
    SlowBody,
    SlowReader,
}

/// Begins to connect now, and holds the connections until `stop`.
pub(super) fn gather(
    telemetry: SocketAddr,
    api: SocketAddr,
    idle: usize,
    writers: usize,
    readers: usize,
    stop: &CancellationToken,
) -> impl Future<Output = Crowd> + use<> {
    let kinds = (0..idle)
        .map(|_| Kind::Idle)
        .chain((0..writers).map(|number| if number % 2 == 0 { Kind::SlowHead } else { Kind::SlowBody }))
        .chain((0..readers).map(|_| Kind::SlowReader));
    let members: Vec<_> = kinds
        .map(|kind| {
            let address = if kind == Kind::SlowReader { api } else { telemetry };
            let stop = stop.clone();
            tokio::spawn(async move { (kind, stand_around(kind, address, &stop).await) })
        })
        .collect();
    async move {
        let mut crowd = Crowd::default();
        for member in join_all(members).await {
            // `None`: this machine gives no more connections.
            let Ok((kind, Some(closed))) = member else { continue };
            crowd.closed += usize::from(closed);
            match kind {
                Kind::Idle => crowd.idle += 1,
                Kind::SlowHead | Kind::SlowBody => crowd.writers += 1,
                Kind::SlowReader => crowd.readers += 1,
            }
        }
        crowd
    }
}

/// Whether the other side closed it; `None` if it was never open.
async fn stand_around(kind: Kind, address: SocketAddr, stop: &CancellationToken) -> Option<bool> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let until_closed = async {
        match kind {
            Kind::Idle => drop(stream.read(&mut [0; 64]).await),
            Kind::SlowReader => {
                let asked = "GET /metrics HTTP/1.1\r\nhost: flyball\r\n\r\n".repeat(UNREAD);
                if stream.write_all(asked.as_bytes()).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            }
            Kind::SlowHead => drip(&mut stream, "POST /v1/metrics HTTP/1.1\r\nhost: flyball\r\nx-slow: ").await,
            Kind::SlowBody => {
                let head = "POST /v1/metrics HTTP/1.1\r\nhost: flyball\r\ncontent-type: application/x-protobuf\r\n\
                            content-length: 60000000\r\n\r\n";
                drip(&mut stream, head).await;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => Some(false),
        () = until_closed => Some(true),
    }
}

async fn drip(stream: &mut TcpStream, head: &str) {
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(PAUSE).await;
    }
}
