//! Connections that only cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use std::{fmt, io};

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Between two bytes of a slow writer.
const PAUSE: Duration = Duration::from_secs(1);

/// Requests that a slow reader sends at once, each for a page of some tens of kilobytes.
const UNREAD: usize = 500;

/// How long is waited until all of them stand there.
const GATHERING: Duration = Duration::from_secs(30);

/// Who they are, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    idle: usize,
    writers: usize,
    readers: usize,
    standing: AtomicUsize,
    closed: AtomicUsize,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, writers, readers, standing, closed } = self;
        write!(
            f,
            "{idle} idle, {writers} slow writers, {readers} slow readers; {} of them got in, and flyball closed {} connections",
            standing.load(Relaxed),
            closed.load(Relaxed)
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

impl Crowd {
    /// So many of each.
    pub(super) fn new(idle: usize, writers: usize, readers: usize) -> Self {
        Self { idle, writers, readers, ..Self::default() }
    }

    /// Connects them all, and holds the connections until `stop`. Who is slow comes again when it is closed; who is idle does not.
    pub(super) async fn stand_around(self: Arc<Self>, telemetry: SocketAddr, api: SocketAddr, stop: CancellationToken) {
        let kinds = (0..self.idle)
            .map(|_| Kind::Idle)
            .chain((0..self.writers).map(|number| if number % 2 == 0 { Kind::SlowHead } else { Kind::SlowBody }))
            .chain((0..self.readers).map(|_| Kind::SlowReader));
        let members = kinds.map(|kind| {
            let address = if matches!(kind, Kind::SlowReader | Kind::Idle) { api } else { telemetry };
            let crowd = &self;
            async move {
                for time in 0.. {
                    if crowd.stand(kind, address, time == 0).await.is_ok() {
                        crowd.closed.fetch_add(1, Relaxed);
                        if kind == Kind::Idle {
                            return;
                        }
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        tokio::select! {
            () = stop.cancelled() => {}
            _ = join_all(members) => stop.cancelled().await,
        }
    }

    /// Waits until all of them are in.
    pub(super) async fn gathered(&self) {
        let start = clock::now();
        let all = self.idle + self.writers + self.readers;
        while self.standing.load(Relaxed) < all && start.elapsed() < GATHERING {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns when the other side has closed it; an error if it was never open.
    async fn stand(&self, kind: Kind, address: SocketAddr, is_first: bool) -> io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        if kind == Kind::Idle {
            // One that never asks for anything is soon closed.
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: flyball\r\n\r\n").await?;
            // However much of the answer comes at once: whoever answers has seen the question.
            if stream.read(&mut [0; 1024]).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.standing.fetch_add(usize::from(is_first), Relaxed);
        match kind {
            Kind::Idle => while stream.read(&mut [0; 1024]).await.is_ok_and(|bytes| bytes > 0) {},
            Kind::SlowReader => {
                let asked = "GET /metrics HTTP/1.1\r\nhost: flyball\r\n\r\n".repeat(UNREAD);
                if stream.write_all(asked.as_bytes()).await.is_ok() {
                    // It reads nothing, but hears when it is cut off.
                    let _ = stream.ready(Interest::ERROR).await;
                }
            }
            Kind::SlowHead => drip(&mut stream, "POST /v1/metrics HTTP/1.1\r\nhost: flyball\r\nx-slow: ").await,
            Kind::SlowBody => {
                let head = "POST /v1/metrics HTTP/1.1\r\nhost: flyball\r\ncontent-type: application/x-protobuf\r\n\
                            content-length: 60000000\r\n\r\n";
                drip(&mut stream, head).await;
            }
        }
        Ok(())
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
