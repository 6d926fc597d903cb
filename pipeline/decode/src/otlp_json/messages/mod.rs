//! The messages of OTLP 1.10 (`opentelemetry/proto/**/v1/*.proto`), one file a signal.
//!
//! A test compares the tables with the descriptors that the crate `opentelemetry-proto` was generated from, field by
//! field: whoever takes a newer version of it is told what is missing here.

pub(super) mod common;
pub(super) mod logs;
pub(super) mod metrics;
pub(super) mod traces;
