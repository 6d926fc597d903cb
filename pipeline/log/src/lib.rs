//! The write-ahead log: what was acknowledged outlives the process.
//!
//! | file | holds |
//! |---|---|
//! | `log` | the log at work: submit, wait, checkpoint |
//! | `worker`, `group`, `shared`, `ticket` | the thread that writes groups, and what it shares with those who submit |
//! | `writer`, `segment`, `frame` | files: what is written where, and what a segment and a frame look like |
//! | `record` | what stands in a frame: bodies, lines of the ledger, pieces of state |
//! | `checkpoint` | all state as of a position, so that the log before it may go |
//! | `recovery`, `scan` | reading it all back, and what is damaged |
//! | `storage`, `disk`, `direct`, `read_only`, `simulation` | the disk: what is asked of it, the real one and its files for the log, one that is only read, and one that loses power |
//!
//! ```text
//! data_dir/log/segment-N.log      N: the position of its first frame; 16 MiB, set aside at once
//! data_dir/log/checkpoint-N       N: the position it stands for
//! ```

mod checkpoint;
#[cfg(target_os = "linux")]
mod direct;
pub mod disk;
mod error;
mod frame;
mod group;
mod log;
mod position;
mod read_only;
mod record;
mod recovery;
mod scan;
mod segment;
mod shared;
#[cfg(any(test, feature = "testing"))]
pub mod simulation;
pub mod storage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod ticket;
mod worker;
mod writer;

pub use checkpoint::CheckpointWriter;
pub use disk::Disk;
pub use error::LogError;
pub use log::{Adding, Log, UnderWay};
pub use position::Position;
pub use read_only::ReadOnlyDisk;
pub use record::{BadRecord, Body, NewBody, NewRecord, PointRun, Told};
pub use recovery::{Damage, Recovered, Recovery, Replayed};
pub use shared::LogStats;
pub use storage::{Sequential, Storage, StoredFile};
pub use ticket::Ticket;
pub use worker::Before;
pub use writer::Durability;
