//! What every fuzz target checks of a body, beyond that nothing panics.
//!
//! | module | holds |
//! |---|---|
//! | `targets` | one function a target, and the table of them |
//! | `bench` | a normaliser that is new, one that has seen other bodies, and that both say the same |
//! | `invariants` | what holds for whatever was taken |
//! | `histograms` | what holds for each native histogram that was taken |
//! | `account` | how many points a body has, counted by somebody else |
//!
//! The stable compiler builds these modules as well: a test of the normaliser replays the corpus through them.

mod account;
mod bench;
mod histograms;
mod invariants;
mod targets;

pub use targets::{
    TARGETS, decompress, line_protocol, open_metrics, otlp_json, otlp_logs, otlp_metrics, otlp_traces, prometheus_text,
    remote_write_1, remote_write_2, scaphandre,
};
