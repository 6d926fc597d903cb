//! A thin writer for InfluxDB 1.x, 2.x and 3, and for VictoriaMetrics, which speaks as 1.x does.
//!
//! The way of a record: [`InfluxSink`] takes it over without waiting → its line joins the open batch → a batch is sealed and
//! compressed → it waits in memory, or in the spool on disk once the store is slow or down → it is posted, oldest first, until
//! the store gave an answer that a repetition cannot change.
//!
//! | module | does |
//! |---|---|
//! | `line` | line protocol, with what each version does not take left out or put right |
//! | `batch` | lines up to a bound, compressed |
//! | `spool` | batches on disk, bounded, surviving a restart |
//! | `backlog` | open batch, memory and spool as one queue |
//! | `target` | addresses and authorization of each version |
//! | `answer` | what a status and a body mean: delivered, partly, refused, later |
//! | `retry` | backoff with jitter, `Retry-After` |
//! | `account` | the counters behind the sink's status |
//! | `book` | the same on disk, with how far the spool was delivered |
//! | `worker` | the one task that owns the queue |

mod account;
mod answer;
mod backlog;
mod batch;
mod book;
mod error;
mod line;
mod options;
mod retry;
mod sink;
mod spool;
mod target;
mod worker;

pub use error::InfluxError;
pub use options::{InfluxOptions, InfluxVersion};
pub use sink::InfluxSink;
