//! Aggregations: `sum by (job) (…)`, `count without (cpu) (…)`, `topk(3, …)`.

use promql_parser::parser::token::{
    T_AVG, T_BOTTOMK, T_COUNT, T_GROUP, T_MAX, T_MIN, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUM, T_TOPK,
};
use promql_parser::parser::{AggregateExpr, Expr, LabelModifier};

use super::scalar::{is_scalar, scalar};
use super::text::Number;
use super::vector::{Demand, Labels, Tables, Vector};
use super::{Refused, refuse, vector};

/// What is put together.
enum Keys {
    By(Vec<String>),
    Without(Vec<String>),
}

/// The rows of an aggregation.
pub(super) fn aggregate(aggregate: &AggregateExpr, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let keys = match &aggregate.modifier {
        None => Keys::By(Vec::new()),
        Some(LabelModifier::Include(labels)) => Keys::By(unique(&labels.labels)),
        Some(LabelModifier::Exclude(labels)) => Keys::Without(unique(&labels.labels)),
    };
    let (Keys::By(names) | Keys::Without(names)) = &keys;
    if names.iter().any(|name| name == "__name__") {
        return refuse("the name of a metric as a label (__name__)");
    }
    let op = aggregate.op.id();
    if matches!(op, T_TOPK | T_BOTTOMK) {
        return first(aggregate, &keys, demand, tables);
    }
    let asked = match &keys {
        Keys::By(names) => Demand::of(names),
        Keys::Without(_) => Demand::All,
    };
    let mut rows = rows(&aggregate.expr, &asked, tables)?;
    let value = rows.value_or_nan();
    let passing_nan = |function: &str| {
        if rows.nan {
            format!("coalesce({function}(nanvl({}, NULL)), CAST('NaN' AS DOUBLE))", rows.value.text)
        } else {
            format!("{function}({})", rows.value.text)
        }
    };
    let (value, nan) = match op {
        T_SUM => (format!("sum({value})"), rows.nan),
        T_AVG => (format!("avg({value})"), rows.nan),
        T_MAX => (passing_nan("max"), rows.nan),
        T_MIN => (passing_nan("min"), rows.nan),
        T_STDDEV => (format!("stddev_pop({value})"), rows.nan),
        T_STDVAR => (format!("var_pop({value})"), rows.nan),
        T_COUNT => ("CAST(count(*) AS DOUBLE)".to_owned(), false),
        T_GROUP => ("1.0".to_owned(), false),
        T_QUANTILE => {
            let q = parameter(aggregate)?;
            if !(0.0..=1.0).contains(&q) {
                return refuse(format!("quantile({q}, …): the quantile is not from 0 to 1"));
            }
            // The smallest are those that are NaN.
            let value = if rows.nan { format!("nanvl({value}, CAST('-Infinity' AS DOUBLE))") } else { value };
            (format!("percentile_cont({q:?}) WITHIN GROUP (ORDER BY {value})"), true)
        }
        _ => return refuse(format!("{}(): rows are not told apart by it in SQL", aggregate.op)),
    };
    rows.labels = match keys {
        Keys::By(names) => Labels::Columns(
            names.into_iter().filter_map(|name| Some((name.clone(), rows.labels.get(&name)?))).collect(),
        ),
        Keys::Without(names) => rows.labels.without(&names),
    };
    rows.group = Some(match &rows.labels {
        Labels::Columns(columns) => columns.iter().map(|column| column.1.clone()).collect(),
        Labels::Set(set) => vec![set.clone()],
    });
    (rows.value, rows.nan, rows.null) = (Number::atom(value), nan, false);
    Ok(rows)
}

/// Rows that are not put together yet.
pub(super) fn rows(expr: &Expr, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    if is_scalar(expr) {
        return refuse("an aggregation of a scalar");
    }
    let rows = vector(expr, demand, tables)?;
    Ok(if rows.group.is_some() { tables.put(&rows).1 } else { rows })
}

/// The k largest or smallest of each group, with all their labels.
fn first(aggregate: &AggregateExpr, keys: &Keys, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let k = parameter(aggregate)?;
    let asked = match keys {
        Keys::By(names) => demand.and(names),
        Keys::Without(_) => Demand::All,
    };
    let rows = vector(&aggregate.expr, &asked, tables)?;
    let (name, rows) = tables.put(&rows);
    let keys: Vec<String> = match (keys, &rows.labels) {
        (Keys::By(names), labels) => names.iter().filter_map(|name| labels.get(name)).collect(),
        (Keys::Without(names), labels) => vec![labels.without(names).set()],
    };
    let by = if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
    let direction = if aggregate.op.id() == T_TOPK { "DESC" } else { "ASC" };
    // NaN is chosen last.
    let place = format!("row_number() OVER ({by}ORDER BY nanvl({name}.value, NULL) {direction} NULLS LAST)");
    let mut chosen = rows.clone();
    chosen.from = format!("(SELECT {name}.*, {place} AS place FROM {name}) AS {name}");
    chosen.keep([format!("{name}.place <= {}", k.max(0.0).trunc())]);
    Ok(chosen)
}

/// The constant before the vector.
fn parameter(aggregate: &AggregateExpr) -> Result<f64, Refused> {
    let parameter = aggregate.param.as_deref().filter(|param| is_scalar(param)).map(scalar).transpose()?;
    match parameter.and_then(|parameter| parameter.constant) {
        Some(constant) => Ok(constant),
        None => refuse(format!("{}() with a parameter that varies", aggregate.op)),
    }
}

/// Each name once, in order.
pub(super) fn unique(names: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        if !seen.contains(name) {
            seen.push(name.clone());
        }
    }
    seen
}
