//! The task that owns the queue: takes records in, delivers batches one after the other, and drains at the end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use parking_lot::Mutex;
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::account::Account;
use crate::answer::{Refusal, Verdict, judge};
use crate::backlog::{Backlog, Lost};
use crate::batch::Batch;
use crate::book::Book;
use crate::options::{ANSWER_BYTES_MAX, Pace};
use crate::retry::{backoff, jitter, retry_after};
use crate::sink::Parcel;
use crate::target::Target;

/// Everything that the task owns.
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) target: Arc<Target>,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cancel: CancellationToken,
    pub(crate) inbox: mpsc::Receiver<Parcel>,
    /// Behind a lock only so that it can visit a thread where the disk may be waited for; nobody contends for it.
    pub(crate) backlog: Arc<Mutex<Backlog>>,
    pub(crate) account: Arc<Account>,
    pub(crate) book: Arc<Book>,
}

type Posting = Pin<Box<dyn Future<Output = (u64, u64, Verdict)> + Send>>;

impl Worker {
    /// Runs until it is cancelled.
    pub(crate) async fn run(mut self) {
        let mut posting: Option<Posting> = None;
        let mut failures: u32 = 0;
        let mut pause: Option<Pin<Box<Sleep>>> = None;
        let mut note: Option<Pin<Box<Sleep>>> = None;
        loop {
            if posting.is_none() && pause.is_none() {
                posting = self.next().await;
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                (number, records, verdict) = wait(posting.as_mut()) => {
                    posting = None;
                    pause = self.settle(number, records, verdict, &mut failures).await.map(|pause| Box::pin(sleep(pause)));
                }
                () = wait(pause.as_mut()) => pause = None,
                () = wait(note.as_mut()) => {
                    note = self.note().await.then(|| Box::pin(sleep(self.pace.note)));
                }
                Some(parcel) = self.inbox.recv() => {
                    self.take_in(parcel).await;
                    note.get_or_insert_with(|| Box::pin(sleep(self.pace.note)));
                }
            }
        }
        self.drain(posting, failures).await;
    }

    /// Takes in what is in the inbox, all of it at once.
    async fn take_in(&mut self, first: Parcel) {
        let mut all = vec![first];
        while let Ok(more) = self.inbox.try_recv() {
            all.push(more);
        }
        self.account.taken(all.iter().map(|parcel| parcel.bytes).sum());
        let now = self.clock.now();
        self.with_backlog(move |backlog| {
            let mut lost = Lost::default();
            for parcel in all {
                lost.add(backlog.add(&parcel.records, now));
            }
            ((), lost)
        })
        .await;
    }

    /// Sees to it that little is lost if the process is killed: what waits for a store that does not answer goes to the spool, and what was
    /// received into the account. Returns whether to look again although nothing comes.
    async fn note(&self) -> bool {
        let waits = self.with_backlog(Backlog::spill_if_slow).await;
        let (account, book) = (Arc::clone(&self.account), Arc::clone(&self.book));
        self.with_backlog(move |backlog| {
            book.note(&account.saved(backlog));
            ((), Lost::default())
        })
        .await;
        waits
    }

    /// Begins to post the oldest batch, if there is one.
    async fn next(&mut self) -> Option<Posting> {
        let (number, batch) = self.with_backlog(Backlog::front).await?;
        let post = post(Arc::clone(&self.target), self.pace, Arc::clone(&self.clock), batch.clone());
        Some(Box::pin(async move { (number, batch.records, post.await) }))
    }

    /// Acts on a verdict. Returns how long to wait before the next batch.
    async fn settle(&mut self, number: u64, records: u64, verdict: Verdict, failures: &mut u32) -> Option<Duration> {
        let (pause, why) = match verdict {
            Verdict::Delivered => {
                if *failures > 0 {
                    info!(sink = self.name, failures, "the store takes records again");
                }
                *failures = 0;
                self.answered(number, records, Vec::new(), None).await;
                return None;
            }
            Verdict::Refused { lines, error } => {
                *failures = 0;
                let refused: u64 = lines.iter().map(|(_, lines)| lines).sum();
                warn!(sink = self.name, refused, of = records, error, "the store refused records for good");
                self.answered(number, records, lines, Some(error)).await;
                return None;
            }
            Verdict::Later { after, error } => {
                *failures = failures.saturating_add(1);
                let pause = after.unwrap_or_else(|| backoff(&self.pace, *failures));
                if self.account.failed(error.clone()) {
                    warn!(sink = self.name, error, ?pause, "the store takes no records; they wait in the spool");
                }
                (pause, error)
            }
            Verdict::Blocked { error } | Verdict::NoDatabase { error } => {
                *failures = failures.saturating_add(1);
                if self.account.failed(error.clone()) {
                    error!(sink = self.name, error, "the store takes no records until its configuration is put right");
                }
                (jitter(self.pace.slow), error)
            }
        };
        self.with_backlog(|backlog| ((), backlog.spill())).await;
        // The spool may have failed too; what the store said is what must be cured first.
        self.account.failed(why);
        Some(pause)
    }

    /// A batch got its final answer.
    async fn answered(&self, number: u64, records: u64, refused: Vec<(Refusal, u64)>, error: Option<String>) {
        let account = Arc::clone(&self.account);
        self.with_backlog(move |backlog| {
            // It may have had to make room meanwhile.
            let waited = backlog.done(number);
            account.answered(records, waited, &refused, error);
            ((), Lost::default())
        })
        .await;
    }

    /// The end: takes in what was enqueued, delivers a little longer if the store is well, and writes the rest down.
    async fn drain(mut self, mut posting: Option<Posting>, mut failures: u32) {
        self.inbox.close();
        while let Ok(parcel) = self.inbox.try_recv() {
            self.take_in(parcel).await;
        }
        let mut deadline = Box::pin(sleep(self.pace.drain));
        while failures == 0 {
            if posting.is_none() {
                posting = self.next().await;
            }
            let Some(current) = posting.as_mut() else { break };
            let (number, records, verdict) = tokio::select! {
                answered = current => answered,
                () = &mut deadline => break,
            };
            posting = None;
            self.settle(number, records, verdict, &mut failures).await;
        }
        let (account, book) = (Arc::clone(&self.account), Arc::clone(&self.book));
        self.with_backlog(|backlog| ((), backlog.close())).await;
        self.with_backlog(move |backlog| {
            book.save(&account.saved(backlog), true);
            ((), Lost::default())
        })
        .await;
        let status = self.account.status();
        if status.queued > 0 {
            info!(
                sink = self.name,
                records = status.queued,
                bytes = status.spool_bytes,
                "records wait in the spool for the next start"
            );
        }
    }

    /// Works on the backlog where the disk may be waited for, and writes the account down when it changed for good.
    async fn with_backlog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Backlog) -> (T, Lost) + Send + 'static,
    ) -> T {
        let (name, backlog) = (self.name.clone(), Arc::clone(&self.backlog));
        let (account, book) = (Arc::clone(&self.account), Arc::clone(&self.book));
        let worked = tokio::task::spawn_blocking(move || {
            let mut backlog = backlog.lock();
            let before = (backlog.mark(), account.settled());
            let (result, lost) = work(&mut backlog);
            if let Some(error) = &lost.error {
                warn!(sink = name, error, lost = lost.records, "the spool fails");
            }
            account.lost(lost);
            account.look(&backlog);
            if before != (backlog.mark(), account.settled()) {
                book.save(&account.saved(&backlog), false);
            }
            result
        });
        match worked.await {
            Ok(result) => result,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going away, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// Waits for what may not be there, then for ever.
async fn wait<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Posts a batch; makes the database first where the store says that it is missing.
async fn post(target: Arc<Target>, pace: Pace, clock: Arc<dyn Clock>, batch: Batch) -> Verdict {
    let write = || send(&target, target.write(batch.body.clone()), &pace, &*clock, batch.records);
    let verdict = write().await;
    let (Verdict::NoDatabase { error }, Some(create)) = (&verdict, target.create()) else { return verdict };
    match send(&target, create, &pace, &*clock, 0).await {
        Verdict::Delivered => write().await,
        later @ Verdict::Later { .. } => later,
        Verdict::Blocked { error: why } | Verdict::Refused { error: why, .. } | Verdict::NoDatabase { error: why } => {
            Verdict::Blocked { error: format!("{error}, and it could not be created: {why}") }
        }
    }
}

async fn send(target: &Target, request: RequestBuilder, pace: &Pace, clock: &dyn Clock, lines: u64) -> Verdict {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Verdict::Later { after: None, error: transport(error) },
    };
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|header| retry_after(header.to_str().ok()?, clock.now(), pace.retry_after_max));
    let status = response.status().as_u16();
    match beginning(&mut response).await {
        Ok(body) => judge(target.version(), status, &body, after, lines),
        // The status is known, but not whether all was stored: writing it again does no harm.
        Err(error) => Verdict::Later { after, error: transport(error) },
    }
}

async fn beginning(response: &mut Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - body.len())]);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// An error of the way there, with its innermost cause and without the address.
fn transport(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        if inner.source().is_none() {
            text = format!("{text}: {inner}");
        }
        cause = inner.source();
    }
    text
}
