//! Rows of one identity: an evaluation in which two come is an error.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan, Operator, Projection, TableScan,
};
use flyball_model::MetricRef;

use super::super::codes::IDENTITY;
use super::origin::{of_expr, relation_of};
use super::{Look, first_column, shown};
use crate::catalog::TableRead;
use crate::evaluate::ColumnKind;
use crate::functions::{is_absent, label_columns_of};

/// Series whose labels are compared.
const SERIES_MAX: usize = 10_000;

/// Of what is selected under the name `severity`.
const NO_IDENTITY: &str = "which as the column 'severity' says how grave a row is and is no part of the identity";

pub(super) fn check(look: &mut Look<'_>) {
    let query = look.query;
    let plan = &query.written;
    let schema = plan.schema();
    if plan.max_rows().is_some_and(|rows| rows <= 1) {
        return;
    }
    let kinds = || schema.fields().iter().map(|field| ColumnKind::of_column(field.name(), field.data_type()));
    let of_kind =
        |wanted| -> Vec<usize> { kinds().enumerate().filter(|(_, kind)| *kind == wanted).map(|(at, _)| at).collect() };
    let (texts, maps) = (of_kind(ColumnKind::Identity), of_kind(ColumnKind::IdentityMap));
    let rows = rows_of(plan);
    if !maps.is_empty() {
        // What is in a map only the data knows, but for the labels of a series: all of its points have the same.
        let of_series = matches!(rows, Rows::Points { read: TableRead::Metrics, .. });
        if !of_series || outputs(plan, &maps).is_none() {
            return;
        }
    }
    match rows {
        Rows::Groups { of, selected } => groups(look, of, selected),
        Rows::Points { scan, read } => {
            let name = scan.table_name.table();
            let message = format!("each point of '{name}' is a row, and points of one series have one identity");
            let hint = match read {
                TableRead::Metric(_) => {
                    format!("take FROM latest({name}), or aggregate: GROUP BY the labels that tell things apart")
                }
                TableRead::Metrics => {
                    "aggregate: GROUP BY name and the labels that tell things apart, such as labels['host']".to_owned()
                }
                _ => "aggregate: GROUP BY the columns that tell things apart".to_owned(),
            };
            look.note(IDENTITY, None, Some(name), message, hint);
        }
        Rows::Series { metric, scan, filters } => {
            let of_series: Option<BTreeSet<String>> = outputs(plan, &texts);
            if let Some(selected) = of_series {
                let grave = outputs(plan, &of_kind(ColumnKind::Severity)).unwrap_or_default();
                series(look, metric, scan, &filters, &selected, &grave);
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
    /// One a group, and what is selected of it.
    Groups { of: &'a Aggregate, selected: &'a Projection },
    /// One a point or record.
    Points { scan: &'a TableScan, read: &'a TableRead },
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
    let mut selected: Option<&Projection> = None;
    loop {
        node = match node {
            LogicalPlan::Projection(projection) => {
                // Through several projections names change; what is not seen through is not judged.
                if selected.replace(projection).is_some() {
                    return Rows::Unknown;
                }
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
                let Some(selected) = selected else { return Rows::Unknown };
                let in_several_ways = aggregate.group_expr.iter().any(|key| matches!(key, Expr::GroupingSet(_)));
                // A key may follow from another by what a join looks up.
                if in_several_ways || joins(&aggregate.input) {
                    return Rows::Unknown;
                }
                return Rows::Groups { of: aggregate, selected };
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
                        Rows::Points { scan, read: &relation.read }
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

fn joins(plan: &LogicalPlan) -> bool {
    let is_join = |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::Join(_) | LogicalPlan::Union(_)));
    plan.exists(is_join).unwrap_or(true)
}

/// What is selected of a key.
#[derive(Default)]
struct Selected {
    /// Anything that it is a part of.
    any: bool,
    /// Something that is a part of the identity.
    identity: bool,
    /// Itself, as the column `severity`.
    severity: bool,
}

impl Selected {
    fn of(key: &Expr, projection: &Projection) -> Self {
        let name = plain(key).schema_name().to_string();
        let mut found = Self::default();
        for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
            let is_key = plain(expr).schema_name().to_string() == name;
            if is_key || expr.column_refs().iter().any(|column| column.flat_name() == name) {
                let kind = ColumnKind::of_column(field.name(), field.data_type());
                found.any = true;
                found.identity |= kind == ColumnKind::Identity;
                found.severity |= is_key && kind == ColumnKind::Severity;
            }
        }
        found
    }
}

/// Every key must be selected, be text, and be no severity, but for those that are the same in all rows.
fn groups(look: &mut Look<'_>, of: &Aggregate, selected: &Projection) {
    let fixed = fixed(&of.input);
    let is_fixed = |key: &Expr| match key {
        Expr::Column(column) => fixed.contains(&column.name),
        _ => false,
    };
    for key in of.group_expr.iter().map(plain).filter(|key| !is_fixed(key)) {
        let is_text = key.get_type(of.input.schema()).is_ok_and(|found| ColumnKind::of(&found) == ColumnKind::Identity);
        let name = shown(key);
        let is_column = matches!(key, Expr::Column(_));
        // What is computed has a name only if it is given one.
        let as_text = match (is_text, is_column) {
            (true, true) => name.clone(),
            (true, false) => format!("{name} AS key"),
            (false, true) => format!("CAST({name} AS TEXT) AS {name}"),
            (false, false) => format!("CAST({name} AS TEXT) AS key"),
        };
        let (message, hint) = match Selected::of(key, selected) {
            Selected { any: false, .. } => (
                format!("the rows are grouped by '{name}', which is not selected"),
                format!("add {as_text} to SELECT, or take it out of GROUP BY"),
            ),
            Selected { identity: true, .. } => continue,
            // A recording rule has no severity at all, which is an error of its own.
            Selected { severity: true, .. } if look.rule.record.is_some() => continue,
            Selected { severity: true, .. } => (
                format!("the rows are grouped by '{name}', {NO_IDENTITY}"),
                format!("select it under another name: {name} AS level"),
            ),
            _ if is_text => continue,
            _ => (
                format!("the rows are grouped by '{name}', which is no text and so no part of the identity"),
                format!("take it out of GROUP BY, or select it as text: {as_text}"),
            ),
        };
        look.note(IDENTITY, first_column(key).as_ref(), None, message, hint);
    }
}

/// The columns that WHERE asks one text of.
fn fixed(mut plan: &LogicalPlan) -> BTreeSet<String> {
    let mut fixed = BTreeSet::new();
    while let LogicalPlan::Filter(filter) = plan {
        fixed.extend(split_conjunction(&filter.predicate).into_iter().filter_map(equality).map(|(column, _)| column));
        plan = &filter.input;
    }
    fixed
}

/// The columns of the one table that the text columns of the output are copies of; `None` if one of them is made of something.
fn outputs(plan: &LogicalPlan, texts: &[usize]) -> Option<BTreeSet<String>> {
    let columns = plan.schema().columns();
    texts.iter().map(|&at| Some(of_expr(&Expr::Column(columns[at].clone()), plan)?.column)).collect()
}

/// Looks for two series that agree in all labels that are selected, among those that pass the equalities of WHERE.
fn series(
    look: &mut Look<'_>,
    metric: MetricRef,
    scan: &TableScan,
    filters: &[&Expr],
    selected: &BTreeSet<String>,
    grave: &BTreeSet<String>,
) {
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
        let (why, hint) = if grave.contains(&apart) {
            (NO_IDENTITY, format!("select it under another name: {apart} AS level"))
        } else {
            ("which is not selected", format!("add {apart} to SELECT, or aggregate with GROUP BY"))
        };
        let message = format!("series of '{name}' differ in {apart}, {why}, so several rows have one identity");
        look.note(IDENTITY, None, Some(&name), message, hint);
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
