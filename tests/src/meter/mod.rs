//! The sending side's own books: what was sent, what was acknowledged, and whether flyball has exactly that.
//!
//! | module | is |
//! |---|---|
//! | `chance` | random decisions that a seed repeats |
//! | `author` | bodies whose every point checks itself |
//! | `book` | the fate of each request |
//! | `courier` | one attempt to deliver a body, and what came of it |
//! | `fleet` | senders that go on through every crash |
//! | `audit` | the books against the tables |
//! | `account` | the books against the ledger |
//! | `hook` | a webhook's consumer that never forgets |
//! | `victim` | a flyball that is killed and started again on the same folder and ports |
//! | `alarms` | violations that are told once, whatever happens meanwhile |
//! | `trend` | whether a figure grows, beyond its noise |
//! | `settings` | what scripts ask of a long run |
//!
//! A request is sent again, byte for byte, until it is acknowledged, as real senders do. So when all is done every point of every
//! request must be stored, and stored once; and at any moment everything that has been acknowledged until then.

pub mod account;
pub mod alarms;
pub mod audit;
pub mod author;
pub mod book;
pub mod chance;
pub mod courier;
pub mod fleet;
pub mod hook;
pub mod settings;
pub mod trend;
pub mod victim;

pub use author::{Author, Kind};
pub use book::Book;
pub use chance::Chance;
pub use fleet::{Fleet, Load};
pub use hook::Hook;
pub use victim::Victim;
