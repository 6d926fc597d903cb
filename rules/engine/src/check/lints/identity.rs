//! Rows of one identity: an evaluation in which two come is an error.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use datafusion::common::Column;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Operator, TableScan};
use flyball_model::MetricRef;

use super::super::codes::IDENTITY;
use super::Look;
use super::origin::{of_expr, relation_of};
use crate::catalog::TableRead;
use crate::evaluate::ColumnKind;
use crate::functions::{is_absent, label_columns_of};

/// Series whose labels are compared.
const SERIES_MAX: usize = 10_000;

pub(super) fn check(look: &mut Look<'_>) {
    let query = look.query;
    let plan = &query.written;
    let schema = plan.schema();
    if plan.max_rows().is_some_and(|rows| rows <= 1) {
        return;
    }
    let kinds = || schema.fields().iter().map(|field| ColumnKind::of_column(field.name(), field.data_type()));
    if kinds().any(|kind| kind == ColumnKind::IdentityMap) {
        // Only the data knows what is in it.
        return;
    }
    let texts: Vec<usize> =
        kinds().enumerate().filter(|(_, kind)| *kind == ColumnKind::Identity).map(|(at, _)| at).collect();
    match rows_of(plan) {
        Rows::Groups { keys, output } => groups(look, &keys, &output),
        Rows::Points(scan) => {
            let name = scan.table_name.table();
            let message = format!("each point of '{name}' is a row, and points of one series have one identity");
            let hint = format!("take FROM latest({name}), or aggregate: GROUP BY the labels that tell things apart");
            look.note(IDENTITY, None, Some(name), message, hint);
        }
        Rows::Series { metric, scan, filters } => {
            let of_series: Option<BTreeSet<String>> = outputs(plan, &texts);
            if let Some(selected) = of_series {
                series(look, metric, scan, &filters, &selected);
            }
        }
        Rows::Unknown if texts.is_empty() => {
            let message = "no column of the result is text, so all rows have one identity".to_owned();
            let hint = "select the column that tells them apart, or aggregate to one row".to_owned();
            look.note(IDENTITY, None, None, message, hint);
        }
        Rows::One | Rows::Unknown => {}
    }
}

/// What a query's rows are.
enum Rows<'a> {
    /// One a group: the keys, and the expressions that are selected over them.
    Groups { keys: Vec<(String, bool)>, output: HashSet<String> },
    /// One a point or record.
    Points(&'a TableScan),
    /// One a series, of those that pass.
    Series { metric: MetricRef, scan: &'a TableScan, filters: Vec<&'a Expr> },
    /// One at the most.
    One,
    /// Something else: joins, unions, subqueries.
    Unknown,
}

fn rows_of(plan: &LogicalPlan) -> Rows<'_> {
    let mut node = plan;
    let mut filters = Vec::new();
    let mut output: Option<HashSet<String>> = None;
    loop {
        node = match node {
            LogicalPlan::Projection(projection) => {
                // Through several projections names change; what is not seen through is not judged.
                if output.is_some() {
                    return Rows::Unknown;
                }
                let names = projection.expr.iter().flat_map(|expr| {
                    let columns = expr.column_refs().into_iter().map(Column::flat_name);
                    columns.chain([plain(expr).schema_name().to_string()]).collect::<Vec<_>>()
                });
                output = Some(names.collect());
                &projection.input
            }
            LogicalPlan::Filter(filter) => {
                filters.extend(split_conjunction(&filter.predicate));
                &filter.input
            }
            LogicalPlan::Sort(sort) => &sort.input,
            LogicalPlan::SubqueryAlias(alias) if matches!(alias.input.as_ref(), LogicalPlan::TableScan(_)) => {
                &alias.input
            }
            LogicalPlan::Aggregate(aggregate) => {
                let Some(output) = output else { return Rows::Unknown };
                if aggregate.group_expr.iter().any(|key| matches!(key, Expr::GroupingSet(_))) {
                    return Rows::Unknown;
                }
                let keys = aggregate.group_expr.iter().map(|key| {
                    let name = plain(key).schema_name().to_string();
                    // By its type alone: under which name it is selected, the projection says.
                    let kind = key.get_type(aggregate.input.schema()).map(|found| ColumnKind::of(&found));
                    (name, matches!(kind, Ok(ColumnKind::Identity)))
                });
                return Rows::Groups { keys: keys.collect(), output };
            }
            LogicalPlan::Distinct(Distinct::All(_) | Distinct::On(_)) => return Rows::Unknown,
            LogicalPlan::TableScan(scan) => {
                let Some(relation) = relation_of(scan) else { return Rows::Unknown };
                return match relation.read {
                    _ if is_absent(relation.table.as_ref()) => Rows::One,
                    TableRead::Metric(metric) if label_columns_of(relation.table.as_ref()).is_some() => {
                        Rows::Series { metric, scan, filters }
                    }
                    TableRead::Metric(_) | TableRead::Metrics | TableRead::Logs | TableRead::Power => {
                        Rows::Points(scan)
                    }
                    _ => Rows::Unknown,
                };
            }
            _ => return Rows::Unknown,
        };
    }
}

fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => plain(&alias.expr),
        other => other,
    }
}

/// Every key must be selected, and be text.
fn groups(look: &mut Look<'_>, keys: &[(String, bool)], output: &HashSet<String>) {
    for (key, is_text) in keys {
        let name = key.rsplit('.').next().unwrap_or(key);
        if !output.contains(key) {
            let message = format!("the rows are grouped by '{name}', which is not selected");
            look.note(IDENTITY, None, Some(name), message, format!("add {name} to SELECT, or take it out of GROUP BY"));
        } else if !is_text {
            let message = format!("the rows are grouped by '{name}', which is no text and so no part of the identity");
            look.note(
                IDENTITY,
                None,
                Some(name),
                message,
                format!("take it out of GROUP BY, or select it as text: CAST({name} AS TEXT)"),
            );
        }
    }
}

/// The columns of the one table that the text columns of the output are copies of; `None` if one of them is made of something.
fn outputs(plan: &LogicalPlan, texts: &[usize]) -> Option<BTreeSet<String>> {
    let columns = plan.schema().columns();
    texts.iter().map(|&at| Some(of_expr(&Expr::Column(columns[at].clone()), plan)?.column)).collect()
}

/// Looks for two series that agree in all labels that are selected, among those that pass the equalities of WHERE.
fn series(look: &mut Look<'_>, metric: MetricRef, scan: &TableScan, filters: &[&Expr], selected: &BTreeSet<String>) {
    let Some(relation) = relation_of(scan) else { return };
    let Some(labels) = label_columns_of(relation.table.as_ref()) else { return };
    let mut fixed = BTreeMap::new();
    for filter in filters {
        match equality(filter) {
            Some((column, text)) => drop(fixed.insert(column, text)),
            // What else is asked of labels may leave out what would be alike.
            None if filter.column_refs().iter().any(|column| labels.iter().any(|label| label.0 == column.name)) => {
                return;
            }
            None => {}
        }
    }
    let store = look.database.store();
    let mut refs = store.registry().read().series_of(metric).to_vec();
    refs.truncate(SERIES_MAX);
    let Ok(view) = store.registry().labels_of(&refs) else { return };
    let mut seen: BTreeMap<Vec<Option<String>>, Vec<Option<String>>> = BTreeMap::new();
    let mut apart: BTreeSet<&str> = BTreeSet::new();
    for &series in &refs {
        let of = |name: &str| view.label(series, name).map(|text| text.to_string());
        let passes =
            labels.iter().all(|(column, name)| fixed.get(column).is_none_or(|text| of(name).as_ref() == Some(text)));
        if !passes {
            continue;
        }
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (column, name) in &labels {
            if selected.contains(column) { own.push(of(name)) } else { others.push(of(name)) }
        }
        if let Some(before) = seen.get(&own) {
            let names = labels.iter().filter(|label| !selected.contains(&label.0)).map(|label| label.0.as_str());
            apart.extend(names.zip(before.iter().zip(&others)).filter(|(_, (a, b))| a != b).map(|(name, _)| name));
        } else {
            seen.insert(own, others);
        }
    }
    drop(view);
    if !apart.is_empty() {
        let apart = apart.into_iter().collect::<Vec<_>>().join(", ");
        let name = look.database.store().registry().read().metric_name(metric).to_string();
        let message =
            format!("series of '{name}' differ in {apart}, which is not selected, so several rows have one identity");
        look.note(IDENTITY, None, Some(&name), message, format!("add {apart} to SELECT, or aggregate with GROUP BY"));
    }
}

/// `label = 'text'`.
fn equality(filter: &Expr) -> Option<(String, String)> {
    let Expr::BinaryExpr(pair) = filter else { return None };
    match (pair.op, pair.left.as_ref(), pair.right.as_ref()) {
        (Operator::Eq, Expr::Column(column), Expr::Literal(text, _))
        | (Operator::Eq, Expr::Literal(text, _), Expr::Column(column)) => {
            Some((column.name.clone(), text.try_as_str()??.to_owned()))
        }
        _ => None,
    }
}
