//! One connection to a target: bodies out, answers in, nothing more.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tokio::net::TcpStream;

use crate::args::Load;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// A connection that speaks one protocol.
pub(crate) enum Client {
    RemoteWrite { sender: http1::SendRequest<Full<Bytes>>, host: String, path: &'static str },
    OtlpGrpc { sender: http2::SendRequest<Full<Bytes>>, host: String },
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(load: Load, address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let host = address.to_string();
        Ok(match load {
            Load::RemoteWrite => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Client::RemoteWrite { sender, host, path: "/api/v1/write" }
            }
            Load::OtlpGrpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Client::OtlpGrpc { sender, host }
            }
        })
    }

    /// Sends a body and waits for the answer.
    ///
    /// # Errors
    /// When the target does not take all of it.
    pub(crate) async fn send(&mut self, body: Bytes) -> Result<()> {
        match self {
            Client::RemoteWrite { sender, host, path } => {
                let request = Request::post(*path)
                    .header(HOST, host.as_str())
                    .header(CONTENT_TYPE, "application/x-protobuf")
                    .header(CONTENT_ENCODING, "snappy")
                    .header("x-prometheus-remote-write-version", "0.1.0")
                    .body(Full::new(body))?;
                sender.ready().await?;
                let (status, _, text) = read(sender.send_request(request).await?).await?;
                ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&text));
            }
            Client::OtlpGrpc { sender, host } => {
                let request = Request::post(format!("http://{host}{EXPORT}"))
                    .header(CONTENT_TYPE, "application/grpc")
                    .header("te", "trailers")
                    .body(Full::new(body))?;
                sender.ready().await?;
                let (status, headers, message) = read(sender.send_request(request).await?).await?;
                ensure!(status.is_success(), "{status}");
                let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
                match of("grpc-status") {
                    Some("0") => {}
                    code => bail!("grpc-status {code:?}: {:?}", of("grpc-message")),
                }
                let answer =
                    ExportMetricsServiceResponse::decode(message.get(5..).context("an answer without a message")?)?;
                let refused = answer.partial_success.filter(|partial| partial.rejected_data_points > 0);
                ensure!(refused.is_none(), "the target refused points: {refused:?}");
            }
        }
        Ok(())
    }
}

/// Status, headers with the trailers, and body of an answer.
async fn read(response: Response<Incoming>) -> Result<(http::StatusCode, HeaderMap, Vec<u8>)> {
    let (parts, mut body) = response.into_parts();
    let mut headers = parts.headers;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                bytes.extend_from_slice(&data);
                ensure!(bytes.len() <= 1 << 20, "an answer of more than 1 MiB");
            }
            Err(frame) => headers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((parts.status, headers, bytes))
}
