//! Rules of the house that `cargo metadata` can tell: who imports whom, licences, duplicate versions, sources.

mod deny;
mod duplicates;
mod edges;
mod graph;
mod licences;
mod spdx;

pub use deny::Deny;
pub use duplicates::unexplained_duplicates;
pub use edges::forbidden_edges;
pub use graph::Graph;
pub use licences::{forbidden_licences, foreign_sources};
