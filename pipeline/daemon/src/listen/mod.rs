//! The HTTP ports: connections with bounds, requests into a router that can be exchanged.
//!
//! | file | holds |
//! |---|---|
//! | `door` | accepts connections, and hands requests to the router of the moment |
//! | `connection` | one connection: HTTP/1 or HTTP/2, within its bounds |
//! | `files` | how many connections the limit on open files allows |
//! | `metrics` | what `/metrics` says of all this |

mod connection;
mod door;
mod files;
mod metrics;
#[cfg(test)]
mod tests;

pub(crate) use door::Door;
pub(crate) use files::connections_max;
pub(crate) use metrics::Entrance;

/// Protocols that a client may choose from when its connection is secured.
pub(crate) const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];
