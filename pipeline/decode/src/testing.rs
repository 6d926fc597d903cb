//! What the tests of several formats share: ways to spoil bytes, and OTLP messages of any shape.
//!
//! The oracle is prost. Whatever prost can decode must be walked to the same values, in whatever order the fields come
//! and however often; whatever it can't may be an error or not, and never a panic.

mod otlp;
mod spoil;

pub(crate) use otlp::{ANY_VALUE, KEY_VALUE, any_value, export_logs, export_metrics, export_traces};
pub(crate) use spoil::{Schema, numbers, scramble, spoil, spoilings};
