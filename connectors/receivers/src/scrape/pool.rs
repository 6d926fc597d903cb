//! A job: a loop for each target that is found, ended when the target is gone.

use std::collections::HashMap;
use std::sync::Arc;

use flyball_model::relabel::LabelSet;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::options::JobOptions;
use super::scraping::Scraping;
use super::status::TargetStatus;
use super::target::{Found, before_relabelling, target};
use super::{Shared, TARGETS_MAX, discovery};

/// Findings that wait for the job. Each is the whole of what one discovery knows, so few are needed; a discovery that finds the
/// channel full waits.
const FINDINGS: usize = 4;

/// What a discovery found: its place among the job's discoveries, and all its targets.
pub(super) type Finding = (usize, Vec<LabelSet>);

/// A loop that runs.
struct Running {
    status: Arc<TargetStatus>,
    gone: CancellationToken,
}

struct Pool {
    job: JobOptions,
    shared: Arc<Shared>,
    stop: CancellationToken,
    /// Plain `http` and `https` without a name of its own share one client; made when first needed.
    clients: HashMap<bool, Client>,
    running: HashMap<String, Running>,
    loops: JoinSet<()>,
}

/// Runs a job until `stop`.
pub(super) async fn run(job: JobOptions, shared: Arc<Shared>, stop: CancellationToken) {
    let (found, mut findings) = mpsc::channel(FINDINGS);
    let mut discoveries = JoinSet::new();
    for (place, options) in job.discoveries.iter().cloned().enumerate() {
        let (name, found, stop) = (job.job.clone(), found.clone(), stop.clone());
        discoveries.spawn(async move {
            let ended = stop.run_until_cancelled(discovery::run(options, place, &name, found)).await;
            debug_assert!(ended.is_none(), "a discovery goes on until it is stopped");
        });
    }
    // One sender stays here, so that a job without discoveries waits for its stop.
    let mut known = vec![Vec::new(); job.discoveries.len()];
    let mut pool = Pool {
        job,
        shared,
        stop: stop.clone(),
        clients: HashMap::new(),
        running: HashMap::new(),
        loops: JoinSet::new(),
    };
    pool.sync(&known);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some((place, targets)) = findings.recv() => {
                if let Some(known) = known.get_mut(place) {
                    *known = targets;
                }
                pool.sync(&known);
            }
            Some(ended) = pool.loops.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the loop of a target panicked; it is not scraped any more");
                }
            }
        }
    }
    drop(found);
    while discoveries.join_next().await.is_some() {}
    while pool.loops.join_next().await.is_some() {}
    for running in pool.running.values() {
        pool.shared.targets.remove(&running.status);
    }
}

impl Pool {
    /// Starts what is new and ends what is gone.
    fn sync(&mut self, known: &[Vec<LabelSet>]) {
        let fixed = self.job.targets.clone();
        let (mut wanted, mut dropped, mut untold) = (HashMap::new(), 0, 0);
        for discovered in fixed.iter().chain(known.iter().flatten()) {
            match target(&self.job, discovered) {
                Ok(Found::Target(target)) => {
                    wanted.entry(target.identity()).or_insert_with(|| (discovered.clone(), target));
                }
                Ok(Found::Dropped) => dropped += 1,
                Err(problem) => {
                    tracing::warn!(job = self.job.job, ?discovered, problem, "what was discovered is no target");
                    dropped += 1;
                }
            }
        }
        let targets = Arc::clone(&self.shared.targets);
        self.running.retain(|identity, running| {
            let stays = wanted.contains_key(identity);
            if !stays {
                running.gone.cancel();
                targets.remove(&running.status);
            }
            stays
        });
        for (identity, (discovered, target)) in wanted {
            if self.running.contains_key(&identity) {
                continue;
            }
            let client = match self.client(target.url.scheme() == "https", target.url.host_str()) {
                Ok(client) => client,
                Err(problem) => {
                    tracing::error!(job = self.job.job, url = %target.url, problem, "a target can't be asked");
                    dropped += 1;
                    continue;
                }
            };
            let discovered = before_relabelling(&self.job, &discovered);
            let Some(status) = targets.add(&self.job.job, discovered, target, TARGETS_MAX) else {
                untold += 1;
                continue;
            };
            let gone = CancellationToken::new();
            let scraping = Scraping::new(&self.job, Arc::clone(&self.shared), Arc::clone(&status), client);
            self.loops.spawn(scraping.run(gone.clone(), self.stop.clone()));
            self.running.insert(identity, Running { status, gone });
        }
        if untold > 0 {
            tracing::error!(
                job = self.job.job,
                targets = untold,
                max = TARGETS_MAX,
                "more targets than are scraped; choose among them with relabel_configs"
            );
        }
        targets.set_dropped(&self.job.job, dropped + untold);
    }

    fn client(&mut self, https: bool, host: Option<&str>) -> Result<Client, String> {
        if https && self.job.http.tls.server_name.is_some() {
            return Client::new(&self.job.http, https, host).map_err(|error| error.to_string());
        }
        if let Some(client) = self.clients.get(&https) {
            return Ok(client.clone());
        }
        let client = Client::new(&self.job.http, https, None).map_err(|error| error.to_string())?;
        self.clients.insert(https, client.clone());
        Ok(client)
    }
}
