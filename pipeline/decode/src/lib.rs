//! Wire bytes to borrowed views: OTLP and Prometheus remote write, and the one capped decompressor.
//!
//! Nothing is built: a view is a slice of the body and walks it when asked, so that no input can make flyball allocate
//! more than the body it already holds. Hostile input is the normal case: any byte string ends in views or in a
//! [`DecodeError`] that says where and what.
//!
//! Text is handed out as bytes. Whether it is UTF-8 is asked by whoever needs it as text, so that one bad label costs
//! its own point and not the whole body.

pub mod decompress;
pub mod error;
pub mod exposition;
pub mod line_protocol;
pub mod native_histogram;
pub mod otlp;
pub mod otlp_json;
pub mod remote_write;
pub mod remote_write2;
pub mod scaphandre;
mod shown;
pub mod wire;

#[cfg(test)]
mod testing;

pub use decompress::decompress;
pub use error::{DecodeError, WireProblem};
