//! The messages of Prometheus remote write, every field of them: for tests, which write bodies with them and know from them
//! what a body holds. Whatever prost reads with them must be read by flyball.
//!
//! Source: `prompb/types.proto`, `prompb/remote.proto` and `prompb/io/prometheus/write/v2/types.proto` of Prometheus. Texts
//! are bytes, so that they can be bad: nobody but the normaliser asks whether they are UTF-8. Enums are plain numbers, since
//! one that is unknown is no error.
#![expect(missing_docs, reason = "fields mean what the fields of these names mean in Prometheus' files")]

pub mod histogram;
pub mod v1;
pub mod v2;
