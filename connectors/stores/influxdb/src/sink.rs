//! The handle that the rest of flyball holds.

use std::sync::Arc;

use flyball_model::Clock;
use flyball_model::ports::{FieldValue, Record, RecordKind, Sink, SinkStatus};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::backlog::Backlog;
use crate::book::Book;
use crate::error::InfluxError;
use crate::options::{INBOX, INBOX_BYTES_MAX, InfluxOptions, Pace};
use crate::spool::Spool;
use crate::target::Target;
use crate::worker::Worker;

/// Records of one call on their way to the worker.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) records: Arc<[Record]>,
    /// About how much memory they take.
    pub(crate) bytes: u64,
}

/// A store that speaks line protocol. Taking records over never waits; one task delivers them.
#[derive(Debug)]
pub struct InfluxSink {
    name: String,
    write: Vec<RecordKind>,
    inbox: mpsc::Sender<Parcel>,
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
        let book = Book::new(&options.spool_dir);
        let failed = |source| InfluxError::Spool { path: options.spool_dir.clone(), source };
        let saved = book.load().map_err(failed)?;
        let spool = Spool::open(&options.spool_dir, options.spool_bytes_max, saved.head)?;
        let account = Arc::new(Account::default());
        account.take_up(&saved, spool.records());
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
            book: Arc::new(book),
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
        let (count, bytes) = (records.len() as u64, records.iter().map(bytes_of).sum());
        if self.account.arrive(count, bytes, INBOX_BYTES_MAX) && self.inbox.try_send(Parcel { records, bytes }).is_err()
        {
            self.account.turned_away(count, bytes);
        }
    }

    fn status(&self) -> SinkStatus {
        self.account.status()
    }
}

/// About how much memory a record takes.
fn bytes_of(record: &Record) -> u64 {
    let text = |text: &String| size_of::<String>() + text.len();
    let tags: usize = record.tags.iter().map(|(name, value)| text(name) + text(value)).sum();
    let value = |value: &FieldValue| if let FieldValue::Text(text) = value { text.len() } else { 0 };
    let fields: usize =
        record.fields.iter().map(|(name, field)| text(name) + size_of::<FieldValue>() + value(field)).sum();
    (size_of::<Record>() + record.measurement.len() + tags + fields) as u64
}

#[cfg(test)]
mod tests;
