//! What the end-to-end tests share: the flyball process, its counterparts, requests, and the rules of the house.
//!
//! Everything here is synchronous and panics when the test cannot go on: a test reads as a story, and a harness that
//! cannot start has nothing to answer. Nothing imports a package of flyball: the tests know what users know.

pub mod counterparts;
pub mod flyball;
pub mod grpc;
pub mod house;
pub mod http;
pub mod meter;
pub mod node;
pub mod otlp;
pub mod pki;
pub mod ports;
pub mod process;
pub mod python;
pub mod remote_write;
pub mod rows;
pub mod time;
pub mod wire;

pub use counterparts::need;
pub use flyball::Flyball;
pub use grpc::Grpc;
pub use http::Http;
pub use node::Node;
pub use python::Python;
pub use time::wait_until;
