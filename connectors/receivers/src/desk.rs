//! What every receiver does with a request: read its body within bounds, count it, hand it to the pipeline.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use flyball_model::admission::{Lease, Sender};
use flyball_model::intake::{Context, Encoding, Format};
use flyball_model::ledger::{Reason, Signal};
use flyball_model::{Clock, Intake, Receipt, Refusal, Submission};
use http::header::{ALLOW, EXPECT};
use http::{HeaderMap, StatusCode};

use crate::body::{self, Bounds, Held};
use crate::error::RequestError;
use crate::peer;

/// Longer names of tenants are none; the sender is its address then.
const TENANT_BYTES_MAX: usize = 128;

/// The reception of one receiver.
pub(crate) struct Desk {
    receiver: &'static str,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
}

impl Desk {
    /// A desk under the receiver's name in the ledger.
    pub(crate) fn new(receiver: &'static str, intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Self {
        let bounds = Bounds::new(intake.body_bytes_max());
        Self { receiver, intake, clock, bounds }
    }

    /// The bounds of one body.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Asks whether a body of `announced` bytes (0: not said) may come in, before it is read. `connection` tells the connections of a
    /// peer apart, so that one of them does not take the turns of the others.
    ///
    /// # Errors
    /// When it may not come in now.
    pub(crate) fn admit(
        &self,
        peer: &str,
        connection: u64,
        headers: &HeaderMap,
        announced: u64,
    ) -> Result<Lease, RequestError> {
        let name = self.tenant(headers).unwrap_or_else(|| peer::source(peer));
        let announced = usize::try_from(announced).unwrap_or(usize::MAX).min(self.intake.body_bytes_max());
        self.intake.admit(Sender { name, connection }, announced).map_err(RequestError::NotNow)
    }

    fn tenant(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let value = headers.get(self.intake.tenant_header()?)?.to_str().ok()?;
        // No tenant may be called like an address.
        (!value.is_empty() && value.len() <= TENANT_BYTES_MAX).then(|| format!("tenant {value}").into())
    }

    /// Reads a request with `read` and hands it over. Whatever becomes of it, the ledger has a line.
    ///
    /// # Errors
    /// When the request could not be read, or the pipeline refused it.
    ///
    /// # Cancel safety
    /// Dropped while it reads, the request counts as interrupted; dropped later, see [`Intake::take`].
    pub(crate) async fn receive(
        &self,
        peer: &str,
        format: Format,
        read: impl Future<Output = Result<(Encoding, Held), RequestError>>,
    ) -> Result<Receipt, Refusal> {
        self.receive_with(peer, format, None, read).await
    }

    /// [`Desk::receive`] of a body of which more is known than it says.
    async fn receive_with(
        &self,
        peer: &str,
        format: Format,
        context: Option<Arc<Context>>,
        read: impl Future<Output = Result<(Encoding, Held), RequestError>>,
    ) -> Result<Receipt, Refusal> {
        let received_at = self.clock.now();
        let mut unfinished = Unfinished { desk: self, peer, signal: format.signal(), armed: true };
        let read = read.await;
        unfinished.armed = false;
        match read {
            Ok((encoding, Held { bytes, lease })) => {
                let submission = Submission {
                    receiver: self.receiver,
                    peer: peer.to_owned(),
                    format,
                    encoding,
                    body: bytes,
                    received_at,
                    context,
                    lease,
                };
                self.intake.take(submission).await
            }
            Err(error) => {
                self.refuse(peer, Some(format.signal()), &error);
                Err(error.into())
            }
        }
    }

    /// Counts a request that is answered without being read.
    pub(crate) fn refuse(&self, peer: &str, signal: Option<Signal>, error: &RequestError) {
        tracing::debug!(receiver = self.receiver, peer, %error, "request refused");
        self.intake.refused(self.receiver, peer, signal, error.reason());
    }

    /// Counts a request whose sender was not let in.
    pub(crate) fn refuse_for(&self, peer: &str, signal: Option<Signal>, reason: Reason) {
        self.intake.refused(self.receiver, peer, signal, reason);
    }

    /// [`Desk::receive`] for HTTP: `encoding` judges the headers before the body is touched.
    pub(crate) async fn receive_http(
        &self,
        format: Format,
        request: Request,
        encoding: impl FnOnce(&HeaderMap) -> Result<Encoding, RequestError>,
    ) -> Result<Receipt, Refusal> {
        self.receive_http_with(format, None, request, encoding).await
    }

    /// [`Desk::receive_http`] of a body of which more is known than it says.
    pub(crate) async fn receive_http_with(
        &self,
        format: Format,
        context: Option<Arc<Context>>,
        request: Request,
        encoding: impl FnOnce(&HeaderMap) -> Result<Encoding, RequestError>,
    ) -> Result<Receipt, Refusal> {
        let (head, mut body) = request.into_parts();
        let peer = peer::of_request(&head.extensions);
        let read = async {
            let encoding = encoding(&head.headers)?;
            let connection = peer::connection_of(&head.extensions);
            let lease = self.admit(&peer, connection, &head.headers, body::announced(&body))?;
            Ok((encoding, body::read(&mut body, &self.bounds, lease).await?))
        };
        let outcome = self.receive_with(&peer, format, context, read).await;
        // A sender that asked before it sent reads our answer first anyway; reading on would invite its body.
        if let Err(refusal) = &outcome
            && !head.headers.contains_key(EXPECT)
        {
            if refusal.kind.is_retryable() {
                body::discard_busy(&mut body).await;
            } else {
                body::discard(&mut body).await;
            }
        }
        outcome
    }
}

impl Desk {
    /// Counts a request whose query can't be understood, and reads its body away.
    pub(crate) async fn refuse_http(&self, request: Request, signal: Signal, error: &RequestError) {
        let (head, mut body) = request.into_parts();
        self.refuse(&peer::of_request(&head.extensions), Some(signal), error);
        if !head.headers.contains_key(EXPECT) {
            body::discard(&mut body).await;
        }
    }
}

/// Counts a request whose sender went away while it was being read: then nobody polls the future to its end.
struct Unfinished<'a> {
    desk: &'a Desk,
    peer: &'a str,
    signal: Signal,
    armed: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.desk.intake.refused(self.desk.receiver, self.peer, Some(self.signal), Reason::Interrupted);
        }
    }
}

/// The answer to other methods than POST on a path that takes bodies.
pub(crate) async fn only_post() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")], "this path takes telemetry by POST\n").into_response()
}
