//! Where a load goes, and the headers that go with it.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use flyball_bench::load::{Load, Protocol, Wrapping};
use http::Request;
use http_body_util::Full;

use super::once::INFLUX_TOKEN;
use crate::targets::Target;

/// What carries the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// HTTP/1.1.
    Http,
    /// gRPC over HTTP/2 without TLS.
    Grpc,
}

impl Transport {
    /// What carries a load.
    pub(crate) const fn of(load: Load) -> Self {
        match load.wrapping() {
            Wrapping::GrpcFrame => Transport::Grpc,
            Wrapping::Plain | Wrapping::Gzip | Wrapping::Snappy => Transport::Http,
        }
    }
}

/// Where a load goes at one target.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) load: Load,
    pub(super) address: SocketAddr,
    /// HTTP/2 wants the whole of it, HTTP/1.1 the path.
    uri: String,
    headers: Vec<(&'static str, String)>,
}

impl Endpoint {
    /// The place and headers of a load at a target.
    pub(crate) fn new(load: Load, target: Target, address: SocketAddr) -> Self {
        let (path, content_type) = match load.protocol() {
            Protocol::RemoteWrite1 => ("/api/v1/write", "application/x-protobuf"),
            Protocol::RemoteWrite2 => ("/api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
            Protocol::OtlpMetrics if Transport::of(load) == Transport::Http => {
                ("/v1/metrics", "application/x-protobuf")
            }
            Protocol::OtlpMetrics => {
                ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "application/grpc")
            }
            Protocol::OtlpLogs => ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", "application/grpc"),
            Protocol::LineProtocol => (lines_path(target), "text/plain; charset=utf-8"),
        };
        let mut headers = vec![("content-type", content_type.to_owned())];
        let mut add = |name, value: &str| headers.push((name, value.to_owned()));
        match load.protocol() {
            Protocol::RemoteWrite1 => add("x-prometheus-remote-write-version", "0.1.0"),
            Protocol::RemoteWrite2 => add("x-prometheus-remote-write-version", "2.0.0"),
            Protocol::LineProtocol if target == Target::Influxd2 => {
                add("authorization", &format!("Token {INFLUX_TOKEN}"));
            }
            _ => {}
        }
        match load.wrapping() {
            Wrapping::Plain => {}
            Wrapping::Gzip => add("content-encoding", "gzip"),
            Wrapping::Snappy => add("content-encoding", "snappy"),
            Wrapping::GrpcFrame => add("te", "trailers"),
        }
        let uri = match Transport::of(load) {
            Transport::Grpc => format!("http://{address}{path}"),
            Transport::Http => {
                add("host", &address.to_string());
                path.to_owned()
            }
        };
        Self { load, address, uri, headers }
    }

    /// A request with this body.
    pub(super) fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.uri.as_str());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        Ok(request.body(Full::new(body))?)
    }
}

/// Where each target takes line protocol; nanoseconds are the default of all.
const fn lines_path(target: Target) -> &'static str {
    match target {
        Target::Influxd2 => "/api/v2/write?org=bench&bucket=bench&precision=ns",
        // Flyball and VictoriaMetrics make a label of the database.
        _ => "/write?db=bench",
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_load_makes_a_valid_request_for_every_target() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        for &load in Load::value_variants() {
            for &target in Target::value_variants() {
                let request = Endpoint::new(load, target, address).request(Bytes::new()).expect("a request");
                assert!(request.headers().contains_key("content-type"), "{load}");
                assert_eq!(request.uri().host().is_some(), Transport::of(load) == Transport::Grpc, "{load}");
            }
        }
    }
}
