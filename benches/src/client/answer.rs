//! What a target said to a body.

use anyhow::{Context, Result, ensure};
use flyball_bench::load::{Load, Protocol};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use super::Transport;

/// No answer of a target is near it.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// gRPC's `RESOURCE_EXHAUSTED` and `UNAVAILABLE`, after which OTLP lets a sender try again.
const GRPC_NOT_NOW: [&str; 2] = ["8", "14"];

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it was taken.
    Taken,
    /// It may be taken later.
    NotNow {
        /// What the target says.
        why: String,
        /// Whether it says when.
        hint: bool,
    },
    /// Not all of it was taken, nor will it be.
    Refused(String),
}

/// Status, headers with the trailers, and body of an answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Reads all of it.
    pub(super) async fn read(response: Response<Incoming>) -> Result<Self> {
        let (parts, mut stream) = response.into_parts();
        let mut headers = parts.headers;
        let mut body = Vec::new();
        while let Some(frame) = stream.frame().await {
            match frame?.into_data() {
                Ok(data) => {
                    body.extend_from_slice(&data);
                    ensure!(body.len() <= ANSWER_BYTES_MAX, "an answer of more than {ANSWER_BYTES_MAX} bytes");
                }
                Err(frame) => headers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        Ok(Self { status: parts.status, headers, body })
    }

    /// What became of a body of so many points.
    ///
    /// # Errors
    /// When the answer is not what the protocol has.
    pub(super) fn verdict(&self, load: Load, points: usize) -> Result<Verdict> {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return Ok(self.not_now(text()));
        }
        if !self.status.is_success() {
            return Ok(Verdict::Refused(format!("{}: {}", self.status, text().trim_end())));
        }
        let mut message = self.body.as_slice();
        if Transport::of(load) == Transport::Grpc {
            let code = self.header("grpc-status").context("an answer without grpc-status")?;
            let text = format!("grpc-status {code}: {}", self.header("grpc-message").unwrap_or_default());
            match code {
                "0" => message = message.get(5..).context("an answer without a message")?,
                code if GRPC_NOT_NOW.contains(&code) => return Ok(self.not_now(text)),
                _ => return Ok(Verdict::Refused(text)),
            }
        }
        Ok(match load.protocol() {
            Protocol::OtlpMetrics | Protocol::OtlpLogs => nothing_refused(message)?,
            Protocol::RemoteWrite2 => self.all_written(points),
            Protocol::RemoteWrite1 | Protocol::LineProtocol => Verdict::Taken,
        })
    }

    /// `RetryInfo` is the only detail that a status has.
    fn not_now(&self, why: String) -> Verdict {
        let hint = ["retry-after", "grpc-status-details-bin"].iter().any(|header| self.header(header).is_some());
        Verdict::NotNow { why, hint }
    }

    /// Remote write 2.0: an answer without the header comes from a receiver that knows only 1.0 and took nothing.
    fn all_written(&self, points: usize) -> Verdict {
        let written = self.header("x-prometheus-remote-write-samples-written");
        if points == 0 || written.and_then(|written| written.parse().ok()) == Some(points) {
            Verdict::Taken
        } else {
            Verdict::Refused(format!("{points} samples were sent, {written:?} written"))
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The answers to metrics and to logs have the same fields.
fn nothing_refused(message: &[u8]) -> Result<Verdict> {
    let answer = ExportMetricsServiceResponse::decode(message)?;
    let refused = answer.partial_success.filter(|partial| partial.rejected_data_points > 0);
    Ok(refused.map_or(Verdict::Taken, |partial| {
        Verdict::Refused(format!("{} points: {}", partial.rejected_data_points, partial.error_message))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(load: Load, status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Result<Verdict> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, headers: headers.collect(), body: body.to_vec() }.verdict(load, 3)
    }

    #[test]
    fn an_answer_is_taken_only_if_it_says_so_of_every_point() {
        const WRITTEN: &str = "x-prometheus-remote-write-samples-written";
        let framed = [0, 0, 0, 0, 0];
        for (load, status, headers, body, taken) in [
            (Load::RemoteWrite, 204, &[][..], &[][..], true),
            (Load::RemoteWrite, 400, &[], b"2 points: too_old", false),
            (Load::RemoteWrite2, 204, &[(WRITTEN, "3")], &[], true),
            (Load::RemoteWrite2, 204, &[(WRITTEN, "2")], &[], false),
            (Load::RemoteWrite2, 204, &[], &[], false),
            (Load::OtlpHttp, 200, &[], &[], true),
            // partial_success { rejected_data_points: 1 }
            (Load::OtlpHttp, 200, &[], &[0x0a, 0x02, 0x08, 0x01], false),
            (Load::OtlpGrpc, 200, &[("grpc-status", "0")], &framed, true),
            (Load::OtlpGrpc, 200, &[("grpc-status", "3")], &framed, false),
            (Load::OtlpGrpcLogs, 200, &[("grpc-status", "0")], &[0, 0, 0, 0, 4, 0x0a, 0x02, 0x08, 0x01], false),
        ] {
            let verdict = check(load, status, headers, body);
            assert_eq!(verdict.expect("of the protocol") == Verdict::Taken, taken, "{load} {status} {headers:?}");
        }
    }

    #[test]
    fn a_target_may_ask_for_patience() {
        let not_now = |verdict: Result<Verdict>| matches!(verdict, Ok(Verdict::NotNow { .. }));
        assert!(not_now(check(Load::LineProtocol, 503, &[], b"later")));
        assert!(not_now(check(Load::OtlpGrpc, 200, &[("grpc-status", "14"), ("grpc-message", "later")], &[])));
    }
}
