//! A disk that loses power.
//!
//! It promises what [`crate::storage`] says and not a bit more: of what was not synced, any part may be on the disk after a power cut, in
//! any order, torn at any sector; names too. And it refuses: any operation may fail, and after a failed sync what was written before it may
//! be gone although the next sync succeeds. Everything follows from a seed.

mod disk;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use disk::{Chance, PowerCutDisk};
