//! The table `power`: what Scaphandre, Kepler, RAPL and BMCs say of consumption, in watts and joules, one reading a row.
//!
//! A row is one reading of one consumer by one source. The text columns ([`LABEL_COLUMNS`]) say whose reading it is; pids
//! are text too, so that they are part of a rule's identity and not its evidence. `socket`, `gpu` and `vm` stand beside
//! the columns every source fills, since two sockets have a `dram` each.
//!
//! **What may be added up.** Within one `source` and `scope`, rows of different consumers may be summed, as long as
//! `domain` is the same. Zones (`domain`) overlap (psys holds package, package holds core and uncore), so rows of different
//! domains are never summed; filter on one.
//!
//! | scope | is | domain |
//! |---|---|---|
//! | `host` | the machine: at most one consumer per host and source | `psys`, `platform`, or `package+dram` |
//! | `socket` | a package zone | `package` |
//! | `domain` | any other zone of a node | `dram`, `core`, `uncore`, `other` |
//! | `gpu` | a GPU of a node | `gpu` |
//! | `process`, `container`, `pod`, `vm` | its share of a zone | the zone; NULL where the exporter gives one figure for all |
//!
//! Servers have no psys zone, and Kepler and RAPL name no total for them. So that `scope = 'host'` answers everywhere,
//! such a host gets a row with the sum of its package and dram zones (which don't overlap), which is what Scaphandre does
//! itself. The sum is made of readings with one time; where a zone that spoke within the last five minutes is missing at a
//! time there is no row.
//!
//! **Left out**, each still a table of its own: Kepler's `active` and `idle` parts of a figure that is also given whole;
//! whatever was read through `rapl_mmio` or a powercap path with `mmio`, since it counts the same energy again. Kepler up to
//! 0.9 gives *only* the parts `mode="dynamic"` and `mode="idle"`: they are summed into one row.
//!
//! **Watts and joules.** A gauge's row has watts, a counter's row has joules (cumulative, as sent). Where a source gives
//! only the counter, watts are the difference to the point before divided by the time between; NULL at a series' first
//! point and after a reset. Where the exporter's gauge is known too, nothing is derived. Scaphandre reports 0 W of a socket
//! or domain when its counter wrapped, which is not idleness: those watts are NULL.
//!
//! The names and units are those of Scaphandre 1.0 (its exporters' source), Kepler 0.9 (source) and 0.11 (metrics page), and
//! node_exporter's collector `rapl`.

mod derive;
mod entries;
mod mapping;
mod scan;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::MetricRef;
use flyball_model::batch::time_type;
use flyball_model::series::RegistryView;

use self::scan::PowerScan;
use crate::filter::series::SeriesPredicate;
use crate::filter::{support, time};
use crate::labels::label_type;
use crate::store::Store;
use crate::table::exec::ScanExec;

/// The columns that say whose reading a row is, in the order of [`mapping::Labels`].
pub(crate) const LABEL_COLUMNS: [&str; 13] = [
    "host",
    "scope",
    "domain",
    "pid",
    "exe",
    "cmdline",
    "container_id",
    "pod",
    "namespace",
    "source",
    "socket",
    "gpu",
    "vm",
];

/// Where a column of the table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    Watts,
    Joules,
    Label(usize),
}

/// The columns in their order: those of the consumer, the figures, then those that tell like consumers apart.
fn columns() -> impl Iterator<Item = Column> {
    const NAMESPACE: usize = 8;
    let labels = |from, to| (from..to).map(Column::Label);
    [Column::Time]
        .into_iter()
        .chain(labels(0, NAMESPACE + 1))
        .chain([Column::Watts, Column::Joules])
        .chain(labels(NAMESPACE + 1, LABEL_COLUMNS.len()))
}

fn field(column: Column) -> Field {
    let with_unit = |name: &str, unit: &str| {
        Field::new(name, DataType::Float64, true).with_metadata([("unit".into(), unit.into())].into())
    };
    match column {
        Column::Time => Field::new(time::TIME, time_type(), false),
        Column::Watts => with_unit("watts", "W"),
        Column::Joules => with_unit("joules", "J"),
        Column::Label(label) => Field::new(LABEL_COLUMNS[label], label_type(), true),
    }
}

impl Store {
    /// The table `power`; its rows are described in this crate's module `power`.
    pub fn power_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        let schema = Arc::new(Schema::new(columns().map(field).collect::<Vec<_>>()));
        Arc::new(PowerTable { store: Arc::clone(self), schema })
    }

    /// The metrics whose points are rows of `power`.
    pub fn power_metrics(&self, view: &RegistryView<'_>) -> Vec<MetricRef> {
        view.metrics().filter(|&metric| mapping::template(view.metric_name(metric)).is_some()).collect()
    }
}

struct PowerTable {
    store: Arc<Store>,
    schema: SchemaRef,
}

impl fmt::Debug for PowerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PowerTable")
    }
}

fn is_label(column: &str) -> bool {
    LABEL_COLUMNS.contains(&column)
}

#[async_trait]
impl TableProvider for PowerTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(support(filters, is_label))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<_> = columns().collect();
        let projection = projection.cloned().unwrap_or_else(|| (0..all.len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let predicate = SeriesPredicate::new(session, &self.schema, filters, is_label)?;
        let predicate_labels = predicate.iter().flat_map(|predicate| &predicate.columns);
        let predicate_labels = predicate_labels.filter_map(|&at| match all[at] {
            Column::Label(label) => Some(label),
            _ => None,
        });
        let scan = PowerScan {
            predicate_labels: predicate_labels.collect(),
            predicate,
            store: Arc::clone(&self.store),
            schema: Arc::clone(&schema),
            columns: projection.iter().map(|&at| all[at]).collect(),
            times: time::range_of_all(filters),
        };
        Ok(ScanExec::plan(scan, schema, limit))
    }
}
