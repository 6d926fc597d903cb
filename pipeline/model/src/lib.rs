//! Words shared by every part of flyball: time, series, points, limits, the ledger, events and ports.
//!
//! Nothing here opens a socket or a file, and nothing here knows tokio. A type belongs in this crate when two packages
//! that may not import each other must speak of the same thing.

pub mod action;
pub mod admission;
pub mod batch;
pub mod event;
pub mod exact;
mod explain;
pub mod guard;
pub mod histogram;
pub mod host;
pub mod intake;
pub mod ledger;
pub mod limits;
pub mod metric;
pub mod name;
mod pause;
pub mod ports;
pub mod relabel;
pub mod rows;
pub mod series;
pub mod stage;
pub mod state;
pub mod time;

pub use batch::PointBatch;
pub use explain::{explain, refusal};
pub use histogram::Histogram;
pub use intake::{Intake, Receipt, Refusal, Submission};
pub use limits::Limits;
pub use metric::{Kind, MetricInfo, Shape, Temporality};
pub use pause::Pauses;
pub use rows::{LogBuilder, RowKind, Rows};
pub use series::{MetricRef, SeriesRef, SeriesRegistry};
pub use time::{Clock, ManualClock, Reading, SteadyClock, UnixNanos, WallClock};
