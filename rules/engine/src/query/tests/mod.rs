//! The whole way, from SQL text over a store to rows.

mod errors;
mod limits;
mod names;
mod prepared;
mod tables;
