//! Tests of the whole store through its public face.

mod life;
mod model;
mod query;
mod rows;
