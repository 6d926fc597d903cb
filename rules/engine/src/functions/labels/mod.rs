//! Labels that a range function is asked for by name: `latest(up, INTERVAL '5 minutes', 'job', '*')`.
//!
//! Without names the table has a column for each label that any series has, so a query that names a label nobody has sent is wrong, and two
//! tables can't be joined on "all their labels". With names it has `time`, `value` and just these:
//!
//! | name | column |
//! |---|---|
//! | `'job'` | the label, NULL where a series has it not, also when none has it |
//! | `'*'` | `labels`: a map of all labels |
//!
//! and a metric that has not come yet is an empty table, so that the absence of something can be asked for before it was ever there.
//! The plan is a projection over the plain table, so predicates on labels are still looked at once a series.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the names among the arguments, the projection |
//! | `sets` | `labels`, `labels_only`, `labels_without`, `labels_with`, `label`: maps of labels in expressions |
//! | `finite` | `finite(x)`: NULL for what is no number that a rule may show |

mod finite;
mod sets;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF, cast, lit};
use flyball_model::MetricRef;
use flyball_model::batch::time_type;
use flyball_model::rows::string_map_type;
use flyball_store::Store;
use flyball_store::labels::{label_fields, label_names, label_type};

use crate::catalog::relation::{Relation, TableRead, TableVersion};
use crate::catalog::tables::{INFORMATION_SCHEMA, Tables};
use crate::query::error::QueryError;

const TIME: &str = "time";
const VALUE: &str = "value";
const LABELS: &str = "labels";
/// Asks for [`LABELS`].
const ALL: &str = "*";
/// What the plain table is called inside of the projection.
const SAMPLES: &str = "samples";

/// The labels that a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    names: Vec<String>,
}

impl Wanted {
    /// Takes the names off the end of a range function's arguments; `None` where there are none.
    ///
    /// # Errors
    /// Names that can't be columns beside each other.
    pub(super) fn split<'a>(function: &str, args: &'a [Expr]) -> Result<(&'a [Expr], Option<Self>), QueryError> {
        let name = |arg: &Expr| match arg {
            Expr::Literal(ScalarValue::Utf8(Some(name)), _) => Some(name.clone()),
            _ => None,
        };
        // The first argument is the metric, which may be in quotes too.
        let behind = args.get(1..).unwrap_or_default();
        let count = behind.iter().rev().map_while(name).count();
        if count == 0 {
            return Ok((args, None));
        }
        let (args, names) = args.split_at(args.len() - count);
        let names: Vec<_> = names.iter().filter_map(name).collect();
        for (at, name) in names.iter().enumerate() {
            let fault = if [TIME, VALUE, LABELS].contains(&name.as_str()) {
                format!(
                    "a label called '{name}' can't be a column beside the table's own; ask for '*' and take labels['{name}']"
                )
            } else if names[..at].contains(name) {
                format!("the label '{name}' is asked for twice")
            } else {
                continue;
            };
            return Err(QueryError::Argument { function: function.to_owned(), message: fault, position: None });
        }
        Ok((args, Some(Self { names })))
    }

    /// The plain table of a metric with these labels alone; `None` where it has no column `value`.
    ///
    /// # Errors
    /// When DataFusion can't plan it.
    pub(super) fn of(
        &self,
        store: &Store,
        metric: MetricRef,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<ViewTable>> {
        let schema = table.schema();
        if schema.column_with_name(VALUE).is_none() {
            return Ok(None);
        }
        // A label called like a column of the table's own is a column of another name.
        let columns: HashMap<Arc<str>, String> = {
            let registry = store.registry().read();
            let fields = label_fields(&registry, metric);
            label_names(&registry, metric).into_iter().zip(fields.iter().map(|field| field.name().clone())).collect()
        };
        let columns: HashMap<_, _> =
            columns.into_iter().filter(|(_, column)| schema.column_with_name(column).is_some()).collect();
        let label = |name: &str| match columns.get(name) {
            Some(column) => samples(column),
            None => cast(lit(ScalarValue::Utf8(None)), label_type()),
        };
        let all = || {
            let mut names: Vec<_> = columns.keys().collect();
            names.sort_unstable();
            let pairs = names.into_iter().flat_map(|name| [lit(name.to_string()), label(name)]);
            sets::Function::New.udf().call(pairs.collect())
        };
        let labels = self.names.iter().map(|name| match name.as_str() {
            ALL => all().alias(LABELS),
            name => label(name).alias(name),
        });
        let own = [samples(TIME).alias(TIME), samples(VALUE).alias(VALUE)];
        let plan = LogicalPlanBuilder::scan(TableReference::bare(SAMPLES), provider_as_source(table), None)?
            .project(own.into_iter().chain(labels))?
            .build()?;
        Ok(Some(ViewTable::new(plan, None)))
    }

    /// The table of a metric that has not come yet. The plan is made anew when any metric comes.
    pub(super) fn of_none(&self, tables: &Tables, metric: &str) -> Relation {
        let own = [Field::new(TIME, time_type(), false), Field::new(VALUE, DataType::Float64, false)];
        let labels = self.names.iter().map(|name| match name.as_str() {
            ALL => Field::new(LABELS, string_map_type(), true),
            name => Field::new(name, label_type(), true),
        });
        let schema = Schema::new(own.into_iter().chain(labels).collect::<Vec<_>>());
        Relation {
            read: TableRead::System { schema: INFORMATION_SCHEMA.to_owned(), name: metric.to_owned() },
            version: TableVersion::Fixed,
            guessed_among: Some(tables.names_version()),
            table: Arc::new(EmptyTable::new(Arc::new(schema))),
        }
    }
}

fn samples(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(SAMPLES)), name))
}

/// The functions of this folder that may stand in an expression.
pub(crate) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let sets = sets::Function::ALL.into_iter().map(|function| Arc::new(function.udf()));
    sets.chain([Arc::new(ScalarUDF::new_from_impl(finite::Finite::default()))]).collect()
}
