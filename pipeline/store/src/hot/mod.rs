//! What arrived lately and is not in the history yet, in memory.

pub(crate) mod append;
pub(crate) mod arrival;
pub(crate) mod chunk;
pub(crate) mod duplicates;
pub(crate) mod points;
pub(crate) mod rows;
