//! The digital twin: entities derived from labels by mapping rules.
//!
//! Pure: points and a look at the series registry go in, documents, tables and records come out; times are arguments.
//! What comes out does not depend on the order in which points came in, since everything is decided by the points' own
//! times when the twin is read.

mod attribute;
mod cell;
mod document;
mod keep;
mod kind;
mod mapping;
mod picture;
mod snapshot;
mod state;
mod table;
mod twin;

pub use keep::BadPiece;
pub use kind::EntityKind;
pub use mapping::Mapping;
pub use state::{ATTRIBUTES_MAX, ENTITIES_MAX};
pub use twin::Twin;
