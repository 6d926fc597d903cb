//! The handle that the rest of flyball holds.

use std::sync::Arc;

use flyball_model::Clock;
use flyball_model::ports::{Record, RecordKind, Sink, SinkStatus};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::backlog::Backlog;
use crate::error::InfluxError;
use crate::options::{INBOX, INBOX_RECORDS_MAX, InfluxOptions, Pace};
use crate::spool::Spool;
use crate::target::Target;
use crate::worker::Worker;

/// A store that speaks line protocol. Taking records over never waits; one task delivers them.
#[derive(Debug)]
pub struct InfluxSink {
    name: String,
    write: Vec<RecordKind>,
    inbox: mpsc::Sender<Arc<[Record]>>,
    account: Arc<Account>,
}

impl InfluxSink {
    /// Opens the spool and starts the task that delivers; what an earlier process left goes first.
    ///
    /// Once `cancel` is triggered, the task takes in what was enqueued, delivers for at most two seconds more, writes the rest
    /// to the spool, and ends.
    ///
    /// # Errors
    /// When the options are wrong or the spool cannot be opened. Whether the store is there is not asked.
    ///
    /// # Panics
    /// Outside a tokio runtime, and when no rustls crypto provider is installed, which `reqwest` needs even for plain HTTP.
    pub fn start(
        options: InfluxOptions,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<(Arc<InfluxSink>, JoinHandle<()>), InfluxError> {
        Self::start_at(options, Pace::default(), clock, cancel)
    }

    pub(crate) fn start_at(
        options: InfluxOptions,
        pace: Pace,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<(Arc<InfluxSink>, JoinHandle<()>), InfluxError> {
        let target = Target::new(&options, &pace)?;
        let spool = Spool::open(&options.spool_dir, options.spool_bytes_max)?;
        let account = Arc::new(Account::default());
        account.found(spool.records());
        let backlog = Backlog::new(spool);
        account.look(&backlog);
        let (sender, inbox) = mpsc::channel(INBOX);
        let worker = Worker {
            name: options.name.clone(),
            target: Arc::new(target),
            pace,
            clock,
            cancel,
            inbox,
            backlog: Arc::new(Mutex::new(backlog)),
            account: Arc::clone(&account),
        };
        let task = tokio::spawn(worker.run());
        Ok((Arc::new(InfluxSink { name: options.name, write: options.write, inbox: sender, account }), task))
    }
}

impl Sink for InfluxSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, kind: RecordKind) -> bool {
        self.write.contains(&kind)
    }

    fn enqueue(&self, kind: RecordKind, records: Arc<[Record]>) {
        if records.is_empty() || !self.wants(kind) {
            return;
        }
        let count = records.len() as u64;
        if !self.account.arrive(count, INBOX_RECORDS_MAX) {
            self.account.never_in(count);
        } else if self.inbox.try_send(records).is_err() {
            self.account.turned_away(count);
        }
    }

    fn status(&self) -> SinkStatus {
        self.account.status()
    }
}

#[cfg(test)]
mod tests;
