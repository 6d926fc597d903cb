//! The one catalog: what tables there are, how a name finds its table, and what a table gives to DataFusion.
//!
//! | file | holds |
//! |---|---|
//! | `system` | [`SystemTable`]: the small tables `twin.*` and `flyball.*`, given by the runtime |
//! | `tables` | the list of all tables, and the rules by which names match |
//! | `names` | the index of other names that a metric may be called by |
//! | `translation` | the names that exporters to Prometheus would give a metric |
//! | `relation` | a table in a plan, which remembers what it reads |
//! | `context` | the view of the catalog that DataFusion's SQL planner asks |
//! | `information_schema` | `SHOW TABLES` and the columns of every table |

pub(crate) mod context;
mod information_schema;
mod names;
pub(crate) mod relation;
mod system;
pub(crate) mod tables;
mod translation;

pub use relation::TableRead;
pub(crate) use system::SystemProvider;
pub use system::SystemTable;
