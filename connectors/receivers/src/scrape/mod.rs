//! Scraping: asks configured and discovered targets for their metrics, as Prometheus does.
//!
//! | module | does |
//! |---|---|
//! | `options` | what can be configured of a job |
//! | `discovery` | finds targets: files, HTTP, Kubernetes |
//! | `target` | a discovered label set → an address and the labels that its series get |
//! | `pool` | a job: starts a loop for each target that is found, ends those that are gone |
//! | `rhythm` | when a target is asked: spread over the interval by its hash |
//! | `scraping` | the loop of one target |
//! | `client` | one HTTP request, with TLS and authorization |
//! | `redirect` | where its answer may send us, and what we show there |
//! | `report` | `up` and the other series about a scrape |
//! | `status` | the targets as `GET /api/v1/targets` shows them |
//!
//! A body goes through the [`Intake`] as it came; its labels, relabelling and staleness are in its
//! [`Context`](flyball_model::intake::Context). A target that fails or goes away ends its series: an empty body that is all
//! there is of it leaves a staleness marker on each of them.

mod client;
mod discovery;
mod options;
mod pool;
mod redirect;
mod report;
mod rhythm;
mod scraping;
mod status;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use flyball_model::{Clock, Intake};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use discovery::kubernetes::{KubernetesApi, KubernetesOptions, Role, Selector};
pub use options::{Auth, Discovery, HttpOptions, JobOptions, Pem, Secret, TlsOptions};
pub use status::Targets;

use crate::body::Bounds;

/// Targets of all jobs together; a target costs a task and its labels, a few kilobytes. What is found beyond is dropped, with a
/// line in the log.
pub const TARGETS_MAX: usize = 10_000;

/// Requests under way at once: a bound on sockets. Generous, since a target that is down holds its place until its timeout.
const REQUESTS_MAX: usize = 1024;

/// What all loops share.
pub(crate) struct Shared {
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bounds: Bounds,
    pub(crate) requests: Semaphore,
    pub(crate) targets: Arc<Targets>,
}

/// Scrapes the targets of all jobs.
pub struct Scraper {
    jobs: Vec<JobOptions>,
    shared: Arc<Shared>,
}

impl Scraper {
    /// A scraper that asks nobody until it runs.
    pub fn new(jobs: Vec<JobOptions>, intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Self {
        let bounds = Bounds::new(intake.body_bytes_max());
        let requests = Semaphore::new(REQUESTS_MAX);
        Self { jobs, shared: Arc::new(Shared { intake, clock, bounds, requests, targets: Arc::default() }) }
    }

    /// The targets, as they are found and asked.
    pub fn targets(&self) -> Arc<Targets> {
        Arc::clone(&self.shared.targets)
    }

    /// Discovers and scrapes until `cancel`. Then requests under way are dropped and the series stay as they are: flyball stops, not
    /// the targets.
    ///
    /// # Cancel safety
    /// Dropping the future loses at most the scrapes in flight.
    pub async fn run(self, cancel: CancellationToken) {
        let mut jobs = JoinSet::new();
        for job in self.jobs {
            jobs.spawn(pool::run(job, Arc::clone(&self.shared), cancel.clone()));
        }
        while let Some(ended) = jobs.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a scrape job panicked; its targets are not asked any more");
            }
        }
        // Without a job, or after all of them broke: whoever runs this waits for its end.
        cancel.cancelled().await;
    }
}

/// `GET /api/v1/targets`, in Prometheus' shape.
pub fn router(targets: Arc<Targets>) -> Router {
    let answer = async move || axum::Json(targets.document());
    Router::new().route("/api/v1/targets", axum::routing::get(answer))
}
