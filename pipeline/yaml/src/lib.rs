//! YAML that people write, read as trees with places: every problem at once.
//!
//! A file is read in two steps. [`parse`] turns the text of a [`Source`] into a tree whose nodes know where they were written;
//! a [`Reader`] then walks the tree for its owner (rule files, the configuration, mappings of the twin) and notes each
//! [`Problem`] with its place instead of stopping at the first, as derived deserialisation would.

mod duration;
mod fields;
mod nearest;
mod problem;
mod reader;
mod source;
mod tree;

#[cfg(test)]
mod tests;

pub use duration::{format_duration, parse_duration};
pub use fields::Fields;
pub use nearest::nearest;
pub use problem::{Level, Place, Problem, in_order};
pub use reader::{PROBLEMS_MAX, Reader, Variables};
pub use source::{Source, Text};
pub use tree::{Node, Value, parse};
