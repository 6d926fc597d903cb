//! Objects of one kind: listed once, then watched.
//!
//! A watch that ends is taken up from the last version seen; one that the server no longer knows begins with a list again. What was
//! known stays in force meanwhile.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::explain;
use flyball_model::relabel::LabelSet;
use parking_lot::Mutex;
use reqwest::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;

use super::super::super::client::collect;
use super::Selector;
use super::api::{Api, ApiError, Status};
use super::meta::Meta;

/// Objects of a page of a list.
const PAGE: &str = "250";

/// A page is at most this long: objects are at most 1.5 MiB each and mostly some kilobytes.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An event, a line of a watch, is at most this long.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long the server is asked to keep a watch, and when we give up a silent one.
const WATCH_SECONDS: &str = "240";
const WATCH_TIMEOUT: Duration = Duration::from_secs(270);

/// How long a list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// The wait after a failure; doubles up to the longest.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Objects that one discovery holds. Their targets are bounded further.
const OBJECTS_MAX: usize = 50_000;

/// An object that can be followed.
pub(super) trait Object: DeserializeOwned + Send + 'static {
    /// The path of all of them, in a namespace or over all.
    fn path(namespace: Option<&str>) -> String;
    /// What all objects have.
    fn meta(&self) -> &Meta;
    /// The targets that it makes.
    fn targets(&self) -> Vec<LabelSet>;
}

/// What is known of all streams of a discovery.
pub(super) struct Known {
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    /// The targets of an object, by its stream and its name.
    objects: BTreeMap<(usize, String), Vec<LabelSet>>,
    /// Which streams have been listed.
    listed: Vec<bool>,
}

impl Known {
    pub(super) fn new(streams: usize) -> Self {
        let inner = Inner { objects: BTreeMap::new(), listed: vec![false; streams] };
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Waits for a change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// All targets, once each stream has been listed: fewer would end series that are there.
    pub(super) fn targets(&self) -> Option<Vec<LabelSet>> {
        let inner = self.inner.lock();
        inner.listed.iter().all(|&listed| listed).then(|| inner.objects.values().flatten().cloned().collect())
    }

    fn put<O: Object>(&self, stream: usize, object: &O) {
        let mut inner = self.inner.lock();
        let key = (stream, object.meta().key());
        if inner.objects.len() < OBJECTS_MAX || inner.objects.contains_key(&key) {
            inner.objects.insert(key, object.targets());
        }
        drop(inner);
        self.changed.notify_one();
    }

    fn remove(&self, stream: usize, meta: &Meta) {
        self.inner.lock().objects.remove(&(stream, meta.key()));
        self.changed.notify_one();
    }

    fn replace<O: Object>(&self, stream: usize, objects: &[O]) {
        let mut inner = self.inner.lock();
        inner.objects.retain(|key, _| key.0 != stream);
        let room = OBJECTS_MAX.saturating_sub(inner.objects.len());
        for object in objects.iter().take(room) {
            inner.objects.insert((stream, object.meta().key()), object.targets());
        }
        inner.listed[stream] = true;
        drop(inner);
        self.changed.notify_one();
    }
}

/// Follows the objects of one namespace and selector.
pub(super) struct Follower {
    pub(super) api: Arc<Api>,
    pub(super) known: Arc<Known>,
    pub(super) stream: usize,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    pub(super) job: String,
}

#[derive(Deserialize)]
struct List<O> {
    metadata: ListMeta,
    items: Option<Vec<O>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    r#continue: String,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    object: Value,
}

impl Follower {
    pub(super) async fn follow<O: Object>(self) -> Infallible {
        let mut backoff = BACKOFF_MIN;
        let mut version = None;
        loop {
            let began = match &version {
                None => match tokio::time::timeout(LIST_TIMEOUT, self.list::<O>()).await {
                    Ok(listed) => listed,
                    Err(_) => Err(ApiError::Other(format!("no whole list within {LIST_TIMEOUT:?}"))),
                },
                Some(version) => Ok(String::clone(version)),
            };
            let ended = match began {
                Ok(mut from) => {
                    // Silence until the timeout is no failure: the watch is taken up again.
                    let watched = tokio::time::timeout(WATCH_TIMEOUT, self.watch::<O>(&mut from)).await;
                    version = Some(from);
                    watched.unwrap_or(Ok(()))
                }
                Err(error) => Err(error),
            };
            match ended {
                // A server that ends each watch at once is not asked without a pause.
                Ok(()) => backoff = BACKOFF_MIN,
                Err(ApiError::Gone) => version = None,
                Err(ApiError::Other(problem)) => {
                    version = None;
                    tracing::warn!(
                        job = self.job,
                        problem,
                        "Kubernetes can't be followed; what is known stays, trying on"
                    );
                }
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    fn selectors(&self) -> [(&'static str, &str); 2] {
        [("labelSelector", &self.selector.label), ("fieldSelector", &self.selector.field)]
    }

    /// Lists all objects, page by page, and gives the version to watch from.
    async fn list<O: Object>(&self) -> Result<String, ApiError> {
        let path = O::path(self.namespace.as_deref());
        let mut objects: Vec<O> = Vec::new();
        let mut more = String::new();
        loop {
            let [label, field] = self.selectors();
            let query = [("limit", PAGE), ("continue", more.as_str()), label, field];
            let body = collect(self.api.get(&path, &query).await?, PAGE_BYTES_MAX).await.map_err(ApiError::Other)?;
            let page: List<O> = serde_json::from_slice(&body)
                .map_err(|error| ApiError::Other(format!("GET /{path}: not a list of objects: {error}")))?;
            objects.extend(page.items.unwrap_or_default());
            more = page.metadata.r#continue;
            if more.is_empty() || objects.len() >= OBJECTS_MAX {
                if objects.len() >= OBJECTS_MAX {
                    tracing::error!(
                        job = self.job,
                        max = OBJECTS_MAX,
                        "more objects than are followed; narrow them with selectors"
                    );
                }
                self.known.replace(self.stream, &objects);
                return Ok(page.metadata.resource_version);
            }
        }
    }

    /// Watches until the server ends it. `version` is the last one seen, whatever the outcome.
    async fn watch<O: Object>(&self, version: &mut String) -> Result<(), ApiError> {
        let path = O::path(self.namespace.as_deref());
        let [label, field] = self.selectors();
        let query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", WATCH_SECONDS),
            ("resourceVersion", version.as_str()),
            label,
            field,
        ];
        let mut lines = Lines { response: self.api.get(&path, &query).await?, buffer: Vec::new(), read: 0 };
        while let Some(line) = lines.next().await.map_err(ApiError::Other)? {
            let event: Event = serde_json::from_slice(line)
                .map_err(|error| ApiError::Other(format!("watch of /{path}: not an event: {error}")))?;
            self.see::<O>(event, version)?;
        }
        Ok(())
    }

    fn see<O: Object>(&self, event: Event, version: &mut String) -> Result<(), ApiError> {
        let wrong = |error: serde_json::Error| ApiError::Other(format!("not an object: {error}"));
        match event.r#type.as_str() {
            "ADDED" | "MODIFIED" => {
                let object: O = serde_json::from_value(event.object).map_err(wrong)?;
                version.clone_from(&object.meta().resource_version);
                self.known.put(self.stream, &object);
            }
            "DELETED" => {
                let object: O = serde_json::from_value(event.object).map_err(wrong)?;
                version.clone_from(&object.meta().resource_version);
                self.known.remove(self.stream, object.meta());
            }
            "BOOKMARK" => {
                if let Some(at) = event.object["metadata"]["resourceVersion"].as_str() {
                    at.clone_into(version);
                }
            }
            _ => {
                let status: Status = serde_json::from_value(event.object).unwrap_or_default();
                let gone = status.code == 410;
                return Err(if gone { ApiError::Gone } else { ApiError::Other(status.message) });
            }
        }
        Ok(())
    }
}

/// The lines of an answer that goes on.
struct Lines {
    response: Response,
    buffer: Vec<u8>,
    /// Bytes of the buffer that have been given away.
    read: usize,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<&[u8]>, String> {
        self.buffer.drain(..self.read);
        self.read = 0;
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|&byte| byte == b'\n') {
                self.read = searched + at + 1;
                return Ok(Some(&self.buffer[..searched + at]));
            }
            searched = self.buffer.len();
            match self.response.chunk().await.map_err(|error| explain(&error))? {
                None => return Ok(None),
                Some(chunk) if self.buffer.len() + chunk.len() > EVENT_BYTES_MAX => {
                    return Err(format!("an event is longer than {EVENT_BYTES_MAX} bytes"));
                }
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::extract::{RawQuery, State};
    use axum::routing::get;
    use futures::StreamExt;
    use serde_json::json;

    use super::super::pod::Pod;
    use super::super::{KubernetesApi, Selector};
    use super::*;
    use crate::testing::serve;

    fn pod(name: &str, version: u32) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "n", "resourceVersion": version.to_string()},
            "spec": {"containers": [{"name": "c"}]},
            "status": {"podIP": "10.0.0.1"},
        })
    }

    /// What a real server shows only under load: pages, a version that is gone, events cut anywhere.
    async fn answer(State(watches): State<Arc<AtomicUsize>>, RawQuery(query): RawQuery) -> Body {
        let query = query.unwrap_or_default();
        assert!(query.contains("labelSelector=app%3Dweb"), "{query}");
        let list = |more: &str, version: &str, items: Vec<Value>| {
            let list = json!({"metadata": {"resourceVersion": version, "continue": more}, "items": items});
            Body::from(list.to_string())
        };
        if !query.contains("watch=1") {
            let first = watches.load(Ordering::SeqCst) == 0;
            return match (first, query.contains("continue=two")) {
                (true, false) => list("two", "1", vec![pod("a", 1)]),
                (true, true) => list("", "1", vec![pod("b", 1)]),
                (false, _) => list("", "7", vec![pod("b", 6)]),
            };
        }
        let event = |kind: &str, object: Value| format!("{}\n", json!({"type": kind, "object": object}));
        if watches.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(query.contains("resourceVersion=1"), "{query}");
            return Body::from(event("ERROR", json!({"code": 410, "message": "too old"})));
        }
        assert!(query.contains("resourceVersion=7"), "{query}");
        let events = event("BOOKMARK", pod("", 8)) + &event("ADDED", pod("c", 9)) + &event("DELETED", pod("b", 10));
        let pieces: Vec<_> =
            events.as_bytes().chunks(50).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        Body::from_stream(futures::stream::iter(pieces).chain(futures::stream::pending()))
    }

    #[tokio::test]
    async fn objects_are_listed_watched_and_listed_again_when_the_version_is_gone() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let app = Router::new().route("/api/v1/pods", get(answer)).with_state(Arc::default());
        let url = format!("http://{}", serve(app).await);
        let api = Api::open(&KubernetesApi::Server { url, http: Box::default() }).await.expect("a good address");
        let known = Arc::new(Known::new(1));
        assert_eq!(known.targets(), None, "nothing is known before the list");
        let follower = Follower {
            api: Arc::new(api),
            known: Arc::clone(&known),
            stream: 0,
            namespace: None,
            selector: Selector { label: "app=web".to_owned(), field: String::new() },
            job: "j".to_owned(),
        };
        let task = tokio::spawn(follower.follow::<Pod>());
        let mut history: Vec<String> = Vec::new();
        while history.last().is_none_or(|last| last != "c") {
            tokio::time::timeout(Duration::from_secs(10), known.changed()).await.expect("a change");
            let names = known.targets().expect("listed");
            let names: Vec<_> = names.iter().map(|labels| labels["__meta_kubernetes_pod_name"].as_str()).collect();
            history.push(names.join(" "));
        }
        assert_eq!(history.first().map(String::as_str), Some("a b"));
        task.abort();
    }
}
