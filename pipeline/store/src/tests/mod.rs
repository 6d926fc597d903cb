//! Tests of the whole store through its public face.

mod crash;
mod duplicates;
mod faults;
mod follow;
mod idle;
mod join;
mod life;
mod log;
mod model;
mod query;
mod removed;
mod restore;
mod rows;
mod torn;
mod versions;
