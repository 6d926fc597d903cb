//! Connections as every listener takes them: counted, secured, and closed when they only cost.
//!
//! | file | holds |
//! |---|---|
//! | `listener` | a port with a bound on its connections |
//! | `tls` | certificates, taken anew when their files change |
//! | `opening` | the handshake and the first bytes, in bounded time |
//! | `stream` | a connection, secured or not |
//! | `watch` | what a connection does, and when it has done nothing for too long |
//! | `answer` | an answer on its way to a peer that may not take it |
//!
//! The OTLP/gRPC receiver and the program's HTTP ports are both served from here, so that a bound or a cipher holds for all of them.

mod answer;
mod listener;
mod opening;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod watch;

pub use answer::Answer;
pub use listener::{Arrival, CONNECTIONS_MAX, Guest, House, Listener, Seat, Seats};
pub use opening::{OPENING_TIMEOUT, OpenError, Opened};
pub use stream::Stream;
pub use tls::{Reloaded, Tls, TlsError, TlsFiles};
pub use watch::{Call, Times, Watch, Watched};
