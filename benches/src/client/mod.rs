//! One connection to a target: bodies out, answers in, nothing more.

mod answer;
mod endpoint;
mod once;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use flyball_bench::body::Body;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpSocket, TcpStream};

use self::answer::Answer;
pub(crate) use self::answer::Verdict;
pub(crate) use self::endpoint::{Endpoint, Transport};
pub(crate) use self::once::{get, post_json, set_up_influxdb};
use crate::clock;

/// How long a body is offered to a target that says "not now" …
const PATIENCE: Duration = Duration::from_secs(60);

/// … and how often.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that sends one load.
pub(crate) struct Client {
    endpoint: Arc<Endpoint>,
    sender: Sender,
    from: IpAddr,
    waits: usize,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(endpoint: Arc<Endpoint>) -> Result<Self> {
        Self::connect_from(endpoint, IpAddr::V4(Ipv4Addr::UNSPECIFIED)).await
    }

    /// Connects from an address of this machine: all of 127.0.0.0/8 is loopback on Linux.
    pub(crate) async fn connect_from(endpoint: Arc<Endpoint>, from: IpAddr) -> Result<Self> {
        let sender = Sender::connect(&endpoint, from).await?;
        Ok(Self { endpoint, sender, from, waits: 0 })
    }

    /// Sends a body until it is taken: a target may say "not now" and be asked again.
    ///
    /// # Errors
    /// When the target does not take all of it.
    pub(crate) async fn send(&mut self, body: &Body) -> Result<()> {
        let start = clock::now();
        loop {
            match self.try_send(body).await? {
                Verdict::Taken => return Ok(()),
                Verdict::NotNow { why, .. } => {
                    ensure!(start.elapsed() < PATIENCE, "not taken for {PATIENCE:?}: {why}");
                    self.waits += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Verdict::Refused(why) => bail!("not taken: {why}"),
            }
        }
    }

    /// Sends a body once.
    pub(crate) async fn try_send(&mut self, body: &Body) -> Result<Verdict> {
        // Servers close connections that became old.
        if !self.sender.is_ready().await {
            self.sender = Sender::connect(&self.endpoint, self.from).await?;
        }
        let request = self.endpoint.request(body.bytes.clone())?;
        let response = match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await?,
            Sender::Http2(sender) => sender.send_request(request).await?,
        };
        Answer::read(response).await?.verdict(self.endpoint.load, body.points)
    }

    /// How often the target said "not now".
    pub(crate) fn waits(&self) -> usize {
        self.waits
    }
}

impl Sender {
    async fn connect(endpoint: &Endpoint, from: IpAddr) -> Result<Self> {
        let io = TokioIo::new(connect_from(endpoint.address, from).await?);
        Ok(match Transport::of(endpoint.load) {
            Transport::Http => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Transport::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        })
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream> {
    connect_from(address, IpAddr::V4(Ipv4Addr::UNSPECIFIED)).await
}

async fn connect_from(address: SocketAddr, from: IpAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if !from.is_unspecified() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
