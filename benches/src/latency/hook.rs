//! The other end: an HTTP server that notes what is posted to it and when, and that shows the probes to whoever scrapes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::clock;

/// No event is near it.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What the probes show now, in Prometheus' text format.
pub(super) type Page = dyn Fn() -> String + Send + Sync;

/// What was posted, and when the last byte of it was there.
#[derive(Default)]
pub(super) struct Hook {
    posted: Mutex<Vec<(Instant, Bytes)>>,
}

impl Hook {
    /// Listens on a free port of loopback, as long as this thread's runtime lives.
    pub(super) async fn listen(self: Arc<Self>, page: Arc<Page>) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Answers are small, and nobody waits for a second one to fill the packet.
                let _ = stream.set_nodelay(true);
                let (hook, page) = (Arc::clone(&self), Arc::clone(&page));
                let service = service_fn(move |request| answer(Arc::clone(&hook), Arc::clone(&page), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(address)
    }

    /// All that was posted until now.
    pub(super) fn posted(&self) -> Vec<(Instant, Bytes)> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[expect(clippy::disallowed_methods, reason = "the body is limited")]
async fn answer(hook: Arc<Hook>, page: Arc<Page>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    if request.method() == Method::GET {
        return Ok(Response::builder().header("content-type", "text/plain; version=0.0.4").body(page().into())?);
    }
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.map_err(anyhow::Error::from_boxed)?;
    let now = clock::now();
    hook.posted.lock().unwrap_or_else(PoisonError::into_inner).push((now, body.to_bytes()));
    Ok(Response::new(Full::default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::{get, post_json};

    #[tokio::test]
    async fn it_keeps_what_is_posted_and_shows_its_page() {
        let hook = Arc::new(Hook::default());
        let address = Arc::clone(&hook).listen(Arc::new(|| "probe 1\n".to_owned())).await.expect("it listens");
        assert_eq!(get(address, "/metrics").await.expect("a page"), "probe 1\n");
        let before = clock::now();
        let answer = post_json(address, "/", &json!({"a": 1})).await;
        assert!(answer.is_err(), "the answer is empty, and no document");
        let posted = hook.posted();
        assert_eq!(posted.iter().map(|(_, body)| body.as_ref()).collect::<Vec<_>>(), [br#"{"a":1}"#]);
        assert!(posted[0].0 >= before);
    }
}
