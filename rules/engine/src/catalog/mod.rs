//! The one catalog: what tables there are, how a name finds its table, and what a table gives to DataFusion.
//!
//! | file | holds |
//! |---|---|
//! | `system` | [`SystemTable`]: the small tables `twin.*` and `flyball.*`, given by the runtime |
//! | `tables` | the list of all tables, and the rules by which names match |
//! | `relation` | a table in a plan, which remembers what it reads |
//! | `context` | the view of the catalog that DataFusion's SQL planner asks |
//! | `information_schema` | `SHOW TABLES` and the columns of every table |

pub(crate) mod context;
mod information_schema;
pub(crate) mod relation;
mod system;
pub(crate) mod tables;

pub use relation::TableRead;
pub use system::SystemTable;
