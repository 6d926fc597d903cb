//! The load: which series there are, in which order they are sent, and their bodies in every protocol.
//!
//! The program `flyball-bench` sends it to flyball and its peers; the micro-benchmarks in `micro/` feed it to single
//! crates. See `benches/METHOD.md` for how to run both and how to read what they print.

pub mod body;
pub mod load;
pub mod order;
pub mod plan;
pub mod records;
pub mod series;
