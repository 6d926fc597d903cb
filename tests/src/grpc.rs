//! Unary calls of gRPC with bytes of any kind. What well-behaved clients do is left to them.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::http::{Answer, block_on};
use crate::wire;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// No answer is near it.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A server that speaks gRPC.
#[derive(Debug, Clone)]
pub struct Grpc {
    /// `host:port`.
    pub address: String,
    /// The certificate of the authority to check it by, in PEM; `None` without TLS.
    pub authority: Option<Vec<u8>>,
}

/// A message behind its prefix. `flag` is 1 for one that is compressed.
///
/// # Panics
/// When it is 4 GiB long.
pub fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("test bodies are small");
    [&[flag], &length.to_be_bytes()[..], message].concat()
}

impl Grpc {
    /// Calls a method, on a connection of its own. The trailers stand among the headers of the answer.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn call(&self, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let answer = block_on(async { tokio::time::timeout(PATIENCE, self.answer(method, headers, body)).await });
        answer.unwrap_or_else(|_| panic!("{method}: no answer within {PATIENCE:?}"))
    }

    async fn answer(&self, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let stream = wire::connect(&self.address, self.authority.as_deref(), "h2").await;
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut request = Request::post(format!("http://{}{method}", self.address)).header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).expect("good headers");
        let response = client.send_request(request).await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        let (head, body) = response.into_parts();
        #[expect(clippy::disallowed_methods, reason = "bounded by `Limited`")]
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        let mut headers = head.headers;
        headers.extend(body.trailers().cloned().unwrap_or_default());
        connection.abort();
        Answer { status: head.status.as_u16(), headers, body: body.to_bytes().to_vec() }
    }
}
