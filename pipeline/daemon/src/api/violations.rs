//! One violation, who takes it on, and the changes of all as they happen.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use flyball_model::event::Acknowledgement;
use flyball_runtime::{AckError, LISTENERS_MAX, Listener};
use futures::Stream;
use futures::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::error::{ApiError, in_words};
use super::state::objects;

/// How often a listener gets a comment while nothing changes, so that proxies and both ends know that the other is there.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Bytes of who takes a violation on, and of what they say.
const BY_BYTES_MAX: usize = 256;
const COMMENT_BYTES_MAX: usize = 4096;

/// `GET /api/v1/violations/{id}`
pub(crate) async fn violation(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    row(&shared, &id).await.map(Json)
}

/// A row of `flyball.violations`.
async fn row(shared: &Shared, id: &str) -> Result<Value, ApiError> {
    let unknown = || unknown(id);
    // Only ids go into the query.
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    let result = shared.query(&format!("SELECT * FROM flyball.violations WHERE id = '{id}'")).await?;
    objects(&result).next().ok_or_else(unknown)
}

fn unknown(id: &str) -> ApiError {
    let id: String = id.chars().take(100).collect();
    ApiError::not_found(format!("there is no violation '{id}'")).hint("GET /api/v1/violations lists them")
}

/// `{"by": "ada", "comment": "on it"}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ack {
    by: String,
    #[serde(default)]
    comment: String,
}

/// `POST /api/v1/violations/{id}/ack`
pub(crate) async fn acknowledge(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    ack: Result<Json<Ack>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(Ack { by, comment }) = ack.map_err(|rejection| {
        ApiError::bad_request(in_words(&rejection.body_text()))
            .hint(r#"send {"by": "who", "comment": "what they say"}"#)
    })?;
    if by.trim().is_empty() || by.len() > BY_BYTES_MAX || comment.len() > COMMENT_BYTES_MAX {
        return Err(ApiError::bad_request(format!(
            "'by' says who, in 1 to {BY_BYTES_MAX} bytes; 'comment' has at most {COMMENT_BYTES_MAX}"
        )));
    }
    let by = Acknowledgement { at: shared.clock.now(), by, comment };
    shared.runtime.acknowledge(&id, by).map_err(|error| match error {
        AckError::NotFound(id) => unknown(&id),
        AckError::Resolved(_) => ApiError::new(StatusCode::CONFLICT, "resolved", error.to_string()),
    })?;
    shared.durable().await?;
    row(&shared, &id).await.map(Json)
}

/// `?since=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Since {
    since: Option<u64>,
}

/// `GET /api/v1/violations/changes`
pub(crate) async fn changes(
    State(shared): State<Shared>,
    since: Result<Query<Since>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let since = match headers.get("last-event-id") {
        // What a browser sends when it connects again; it wins over the address, which stays the same.
        Some(id) => {
            let number = id.to_str().ok().and_then(|id| id.parse().ok());
            Some(number.ok_or_else(|| ApiError::bad_request("Last-Event-ID is the number of a change"))?)
        }
        None => since?.0.since,
    };
    let (listener, lost) = shared.runtime.feed.listen(since).ok_or_else(|| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", format!("{LISTENERS_MAX} listen already"))
            .hint("connect again when one has left")
    })?;
    let stream = unfold(if lost { Hears::OfTheGap(listener) } else { Hears::Changes(listener) }, hear);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY).text("nothing changed")))
}

/// Where a listener is.
enum Hears {
    /// It missed something, and is told.
    OfTheGap(Listener),
    /// It hears of each change.
    Changes(Listener),
    /// It was told why there is no more.
    NoMore,
}

async fn hear(hears: Hears) -> Option<(Result<Event, Infallible>, Hears)> {
    let (event, hears) = match hears {
        Hears::OfTheGap(listener) => {
            let reason =
                "changes after the given number are not kept any more; GET /api/v1/violations has how all stand";
            (notice("flyball.changes.lost", reason), Hears::Changes(listener))
        }
        Hears::Changes(mut listener) => match listener.next().await {
            Ok(change) => {
                let event = Event::default().id(change.number.to_string()).event(change.kind).data(&*change.json);
                (event, Hears::Changes(listener))
            }
            Err(why) => (notice("flyball.changes.ended", &why.to_string()), Hears::NoMore),
        },
        Hears::NoMore => return None,
    };
    Some((Ok(event), hears))
}

fn notice(kind: &str, reason: &str) -> Event {
    Event::default().event(kind).data(json!({"reason": reason}).to_string())
}
