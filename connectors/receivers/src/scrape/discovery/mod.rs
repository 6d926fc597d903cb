//! Finding targets. A discovery tells all it knows each time that it changes; until it first knows something it tells nothing, and
//! what it knew stays in force while it can't find out more.

mod files;
mod groups;
mod http;
pub(super) mod kubernetes;

use std::convert::Infallible;

use flyball_model::relabel::LabelSet;
use tokio::sync::mpsc::Sender;

use super::options::Discovery;
use super::pool::Finding;

/// Where a discovery tells what it found.
pub(super) struct Teller {
    place: usize,
    to: Sender<Finding>,
    last: Option<Vec<LabelSet>>,
}

impl Teller {
    /// Tells all targets, if they are others than the last time.
    async fn tell(&mut self, targets: Vec<LabelSet>) {
        if self.last.as_ref() != Some(&targets) {
            self.last = Some(targets.clone());
            // The job that listens is gone only when this task is about to be.
            drop(self.to.send((self.place, targets)).await);
        }
    }
}

/// Discovers until it is dropped.
pub(super) async fn run(options: Discovery, place: usize, job: &str, to: Sender<Finding>) -> Infallible {
    let teller = Teller { place, to, last: None };
    match options {
        Discovery::Files { files, refresh } => files::run(&files, refresh, job, teller).await,
        Discovery::Http { url, refresh, http } => http::run(&url, refresh, &http, job, teller).await,
        Discovery::Kubernetes(options) => kubernetes::run(*options, job, teller).await,
    }
}
