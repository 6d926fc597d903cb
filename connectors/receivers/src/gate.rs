//! Who may come in, as a receiver sees it; and how each protocol says no.
//!
//! | denied since | HTTP | gRPC |
//! |---|---|---|
//! | nothing was shown, or nothing that is known here | 401 and `WWW-Authenticate` | 16 UNAUTHENTICATED |
//! | it is known and may not do this | 403 | 7 PERMISSION_DENIED |
//! | it can't be looked up now (the issuer of tokens is down, or was asked too short ago) | 503 and `Retry-After` | 14 UNAVAILABLE and `RetryInfo` |
//!
//! A sender that is told 401 or 403 drops what it has, so "I can't tell" must never be one of the two.

use async_trait::async_trait;
use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use flyball_model::Refusal;
use flyball_model::intake::RefusalKind;
use http::header::{CONTENT_TYPE, EXPECT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use crate::headers::MediaType;
use crate::influx::answer::{self as influx, Api};
use crate::rpc_status::{self, Code};
use crate::{body, refused};

/// What clients may try. Browsers ask for a name and a password after the second; the token is the password.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="flyball", Basic realm="flyball""#);

/// Judges who may bring telemetry in.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Whether the sender of these headers may write.
    ///
    /// # Errors
    /// When it may not, or when that can't be said now.
    async fn may_write(&self, headers: &HeaderMap) -> Result<(), Denied>;
}

/// Stands among the extensions of a request whose sender may read what is here.
#[derive(Debug, Clone, Copy)]
pub struct MayRead;

/// A gate without a keeper.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

#[async_trait]
impl Gate for Open {
    async fn may_write(&self, _: &HeaderMap) -> Result<(), Denied> {
        Ok(())
    }
}

/// Somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Which family of answers fits.
    pub kind: DeniedKind,
    /// Why; never what was shown.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeniedKind {
    /// Nothing was shown, or nothing that is known here.
    Unknown,
    /// It may not do this.
    Forbidden,
    /// It can't be said now.
    Unavailable,
}

impl Denied {
    /// A denial, with what helps against most of its kind.
    pub fn new(kind: DeniedKind, message: impl Into<String>) -> Self {
        let hint = match kind {
            DeniedKind::Unknown => {
                "send `Authorization: Bearer TOKEN` with one of http.tokens, or one that http.oidc's issuer gave"
            }
            DeniedKind::Forbidden => "use another token, or give this one the scope",
            DeniedKind::Unavailable => "ask again later",
        };
        Self { kind, message: message.into(), hint }
    }

    /// The same, with other advice.
    #[must_use]
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    fn status(&self) -> StatusCode {
        match self.kind {
            DeniedKind::Unknown => StatusCode::UNAUTHORIZED,
            DeniedKind::Forbidden => StatusCode::FORBIDDEN,
            DeniedKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind {
            DeniedKind::Unknown => "unauthorized",
            DeniedKind::Forbidden => "forbidden",
            DeniedKind::Unavailable => "unavailable",
        }
    }

    /// The code of gRPC, also in OTLP over HTTP.
    pub(crate) fn rpc_code(&self) -> Code {
        match self.kind {
            DeniedKind::Unknown => Code::Unauthenticated,
            DeniedKind::Forbidden => Code::PermissionDenied,
            DeniedKind::Unavailable => Code::Unavailable,
        }
    }
}

impl From<Denied> for Refusal {
    /// For where it is a refusal like others: "not now".
    fn from(denied: Denied) -> Self {
        Refusal::new(RefusalKind::Unavailable, denied.message)
    }
}

/// The shape of a protocol's errors over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// flyball's own: `{"error":{"code","message","hint"}}`.
    Own,
    /// `google.rpc.Status`, in protobuf or in JSON as the request is.
    Otlp,
    /// A line of text: Prometheus.
    Text,
    /// InfluxDB 1.x: `{"error"}`.
    Influx1,
    /// InfluxDB 2.x: `{"code","message"}`.
    Influx2,
    /// InfluxDB 3: `{"error"}` without its header.
    Influx3,
}

/// Answers a request that is not let in. Its body is read away, within bounds, so that a sender that writes everything before it
/// reads gets the answer instead of a reset connection.
pub async fn deny(shape: Shape, denied: Denied, request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    if !head.headers.contains_key(EXPECT) {
        body::discard(&mut body).await;
    }
    wire(shape, denied, &head.headers)
}

fn wire(shape: Shape, denied: Denied, headers: &HeaderMap) -> Response {
    let status = denied.status();
    let mut response = match shape {
        Shape::Own => {
            let error = json!({"code": denied.code(), "message": denied.message, "hint": denied.hint});
            (status, Json(json!({"error": error}))).into_response()
        }
        Shape::Otlp => {
            let media = MediaType::of(headers);
            let json = media.is_some_and(|media| media.is("application/json"));
            let (media, body) = if json {
                ("application/json", rpc_status::json_of(denied.rpc_code(), &denied.message))
            } else {
                ("application/x-protobuf", rpc_status::bytes_of(denied.rpc_code(), &denied.message))
            };
            (status, [(CONTENT_TYPE, HeaderValue::from_static(media))], body).into_response()
        }
        Shape::Text => (status, format!("{}\n", denied.message)).into_response(),
        Shape::Influx1 => influx::error(Api::V1, status, &denied.message),
        Shape::Influx2 => influx::error(Api::V2, status, &denied.message),
        Shape::Influx3 => influx::error(Api::V3, status, &denied.message),
    };
    match denied.kind {
        DeniedKind::Unknown => drop(response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE)),
        DeniedKind::Forbidden => {}
        DeniedKind::Unavailable => refused::ask_again(&mut response, &denied.into()),
    }
    response
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;
    use prost::Message;

    use super::*;
    use crate::testing::text_of;

    async fn answer(shape: Shape, kind: DeniedKind, media: &'static str) -> (http::response::Parts, Vec<u8>) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]);
        let (head, body) = wire(shape, Denied::new(kind, "no token was shown"), &headers).into_parts();
        (head, text_of(body).await)
    }

    #[tokio::test]
    async fn every_protocol_says_no_in_its_own_shape() {
        use DeniedKind::{Forbidden, Unavailable, Unknown};
        for (shape, kind, media, status, words) in [
            (
                Shape::Own,
                Unknown,
                "text/plain",
                401,
                &["\"code\":\"unauthorized\"", "\"hint\":\"send `Authorization"][..],
            ),
            (Shape::Own, Forbidden, "text/plain", 403, &["\"code\":\"forbidden\""]),
            (Shape::Own, Unavailable, "text/plain", 503, &["\"code\":\"unavailable\""]),
            (Shape::Otlp, Unknown, "application/json", 401, &["\"code\":16"]),
            (Shape::Otlp, Forbidden, "application/json; x=y", 403, &["\"code\":7"]),
            (Shape::Otlp, Unavailable, "application/json", 503, &["\"code\":14"]),
            (Shape::Text, Forbidden, "text/plain", 403, &["no token was shown\n"]),
            (Shape::Influx1, Unknown, "text/plain", 401, &["{\"error\":\"no token was shown\"}"]),
            (Shape::Influx2, Unknown, "text/plain", 401, &["\"code\":\"unauthorized\"", "\"message\":"]),
            (Shape::Influx2, Forbidden, "text/plain", 403, &["\"code\":\"forbidden\""]),
            (Shape::Influx3, Unavailable, "text/plain", 503, &["{\"error\":\"no token was shown\"}"]),
        ] {
            let (head, body) = answer(shape, kind, media).await;
            let body = String::from_utf8(body).expect("text");
            assert_eq!(head.status, status, "{shape:?} {kind:?}");
            assert!(body.contains("no token was shown") && words.iter().all(|word| body.contains(word)), "{body}");
            assert_eq!(head.headers.contains_key(WWW_AUTHENTICATE), kind == Unknown, "{shape:?} {kind:?}");
            assert_eq!(head.headers.contains_key(RETRY_AFTER), kind == Unavailable, "{shape:?} {kind:?}");
        }
        let (head, body) = answer(Shape::Otlp, Unknown, "application/x-protobuf").await;
        assert_eq!(head.headers[CONTENT_TYPE], "application/x-protobuf");
        let status = rpc_status::Status::decode(&body[..]).expect("a google.rpc.Status");
        assert_eq!((status.code, status.message.as_str()), (16, "no token was shown"));
    }
}
