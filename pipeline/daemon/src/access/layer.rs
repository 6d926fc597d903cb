//! What stands before every path: who comes, from where, and whether it may.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use flyball_model::Intake;
use flyball_model::ledger::Reason;
use flyball_receivers::gate::{Denied, DeniedKind, MayRead, Shape, deny};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::scope::{Scope, Scopes};
use super::table::{Need, Row, row};
use super::{Access, browser, headers};
use crate::api::ApiError;

/// Bytes of a request to the API, like a query. What takes telemetry has bounds of its own.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of rule files, several of which come together.
const RULES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long such a body may take, so that senders of a byte now and then hold nothing for long.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Such bodies at once, and so their memory. Rule files count for as many as they may be long.
const BODIES_MAX: usize = 128;

const _: () = assert!(BODIES_MAX * BODY_BYTES_MAX <= 256 * 1024 * 1024);
const _: () = assert!(RULES_BYTES_MAX.is_multiple_of(BODY_BYTES_MAX) && RULES_BYTES_MAX <= BODIES_MAX * BODY_BYTES_MAX);

/// What the layer of one router needs.
struct Guard {
    access: Arc<Access>,
    intake: Arc<dyn Intake>,
    /// The port can be reached from this machine alone.
    local: bool,
    /// What is under way ends, and nothing else begins.
    draining: Arc<AtomicBool>,
    bodies: Semaphore,
}

/// Puts the guard before all paths of a router, also before those that lead nowhere.
pub(crate) fn guarded(
    router: Router,
    access: &Arc<Access>,
    intake: &Arc<dyn Intake>,
    draining: &Arc<AtomicBool>,
    local: bool,
) -> Router {
    let guard = Guard {
        access: Arc::clone(access),
        intake: Arc::clone(intake),
        local,
        draining: Arc::clone(draining),
        bodies: Semaphore::new(BODIES_MAX),
    };
    router.layer(from_fn_with_state(Arc::new(guard), watch))
}

async fn watch(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let path = head.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let found = path.and_then(row);
    let need = match (path, found) {
        (_, Some(row)) => row.need(&head.method),
        (None, None) => Need::Known,
        // A path without a row: closed.
        (Some(_), None) => Need::Any(&[]),
    };
    let shape = found.map_or(Shape::Own, |row| row.shape);
    let judged = guard.judge(&head, need, shape).await;
    match &judged {
        Err(denied) => guard.count(&head, found, denied),
        Ok(scopes) if scopes.has(Scope::Read) => drop(head.extensions.insert(MayRead)),
        Ok(_) => {}
    }
    let request = Request::from_parts(head, body);
    let mut response = match judged {
        Err(denied) => deny(shape, denied, request).await,
        Ok(_) if found.is_some_and(|row| row.ingest.is_some()) => return next.run(request).await,
        // Nothing behind an open path reads a body, and who shows nothing must not keep others' out.
        Ok(_) if matches!(need, Need::Nothing) => {
            let (head, _) = request.into_parts();
            next.run(Request::from_parts(head, Body::empty())).await
        }
        Ok(_) => match guard.with_body(found, request, next).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        },
    };
    headers::secure(&mut response, found.is_some_and(|row| row.path == "/"));
    response
}

impl Guard {
    async fn judge(&self, head: &Parts, need: Need, shape: Shape) -> Result<Scopes, Denied> {
        let Parts { method, uri, headers, .. } = head;
        if need != Need::Nothing && self.draining.load(Ordering::Relaxed) {
            return Err(Denied::new(DeniedKind::Unavailable, "flyball is ending, and takes no new requests")
                .hint("send it again later, or to another one"));
        }
        if let Some(problem) = browser::refuses(method, uri, headers, self.local && self.access.is_open()) {
            let hint = "there is no CORS here: let your own server ask";
            return Err(Denied::new(DeniedKind::Forbidden, problem).hint(hint));
        }
        // Only clients of InfluxDB put it there; a URL is seen by more than a header is.
        let in_query = matches!(shape, Shape::Influx1 | Shape::Influx2 | Shape::Influx3);
        self.access.check(headers, uri.query().filter(|_| in_query), need).await
    }

    fn count(&self, head: &Parts, row: Option<&Row>, denied: &Denied) {
        let ConnectInfo(address) = head.extensions.get().copied().unwrap_or(ConnectInfo(UNKNOWN));
        let peer = address.ip().to_canonical().to_string();
        tracing::debug!(peer, path = head.uri.path(), kind = ?denied.kind, "request denied");
        if let Some((receiver, signal)) = row.and_then(|row| row.ingest) {
            let reason = match denied.kind {
                DeniedKind::Unknown | DeniedKind::Forbidden => Reason::Unauthorized,
                DeniedKind::Unavailable => Reason::Unavailable,
            };
            self.intake.refused(receiver, &peer, Some(signal), reason);
        }
    }

    /// Reads the body of a request to the API, within bounds, before its handler waits for it.
    async fn with_body(&self, row: Option<&Row>, request: Request, next: Next) -> Result<Response, ApiError> {
        if !has_body(request.method(), request.headers()) {
            return Ok(next.run(request).await);
        }
        let is_rules = row.is_some_and(|row| row.path.starts_with("/api/v1/rules/"));
        let bytes_max = if is_rules { RULES_BYTES_MAX } else { BODY_BYTES_MAX };
        let Ok(permit) = self.bodies.try_acquire_many((bytes_max / BODY_BYTES_MAX) as u32) else {
            let message = format!("{BODIES_MAX} requests with bodies are under way already");
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).hint("ask again later"));
        };
        let (head, body) = request.into_parts();
        let body = match timeout(BODY_TIMEOUT, to_bytes(body, bytes_max)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let message = format!("the body broke off, or is longer than {bytes_max} bytes");
                let hint = if is_rules { "send fewer rule files at once" } else { "send less at once" };
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_body", message).hint(hint));
            }
            Err(_) => {
                let message = format!("the body was not whole within {} s", BODY_TIMEOUT.as_secs());
                return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow_body", message));
            }
        };
        drop(permit);
        Ok(next.run(Request::from_parts(head, Body::from(body))).await)
    }
}

/// The address of who comes from nowhere: only tests do.
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

fn has_body(method: &Method, headers: &HeaderMap) -> bool {
    let announced = |name| headers.contains_key(name);
    !matches!(*method, Method::GET | Method::HEAD)
        || announced(http::header::CONTENT_LENGTH)
        || announced(http::header::TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests;
