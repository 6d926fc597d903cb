//! Functions that give a vector.

use std::time::Duration;

use promql_parser::label::MatchOp;
use promql_parser::parser::{Call, Expr, MatrixSelector, ParenExpr, VectorSelector};

use super::aggregate::rows;
use super::scalar::{NOW, is_scalar, scalar};
use super::select::{Range, select};
use super::text::{Arithmetic, Number, interval, quoted};
use super::vector::{Demand, Labels, Tables, Vector};
use super::{Refused, one_row, refuse, vector};

/// Functions over a range that flyball has too.
const RANGES: [(&str, &str); 17] = [
    ("rate", "rate"),
    ("increase", "increase"),
    ("delta", "delta"),
    ("irate", "irate"),
    ("idelta", "idelta"),
    ("deriv", "deriv"),
    ("changes", "changes"),
    ("resets", "resets"),
    ("avg_over_time", "avg_over"),
    ("max_over_time", "max_over"),
    ("min_over_time", "min_over"),
    ("sum_over_time", "sum_over"),
    ("count_over_time", "count_over"),
    ("stddev_over_time", "stddev_over"),
    ("stdvar_over_time", "var_over"),
    ("last_over_time", "last_over"),
    ("present_over_time", "count_over"),
];
/// Functions of a number that SQL calls by another name or the same.
const NUMBERS: [(&str, &str); 21] = [
    ("abs", "abs"),
    ("ceil", "ceil"),
    ("floor", "floor"),
    ("exp", "exp"),
    ("ln", "ln"),
    ("log2", "log2"),
    ("log10", "log10"),
    ("sqrt", "sqrt"),
    ("sgn", "signum"),
    ("deg", "degrees"),
    ("rad", "radians"),
    ("sin", "sin"),
    ("cos", "cos"),
    ("tan", "tan"),
    ("asin", "asin"),
    ("acos", "acos"),
    ("atan", "atan"),
    ("sinh", "sinh"),
    ("cosh", "cosh"),
    ("tanh", "tanh"),
    ("asinh", "asinh"),
];
/// Parts of a time.
const PARTS: [(&str, &str); 7] = [
    ("minute", "minute"),
    ("hour", "hour"),
    ("day_of_week", "dow"),
    ("day_of_month", "day"),
    ("day_of_year", "doy"),
    ("month", "month"),
    ("year", "year"),
];

fn lookup(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
}

/// The rows that a function gives.
pub(super) fn call(call: &Call, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let name = call.func.name;
    let args: Vec<&Expr> = call.args.args.iter().map(|arg| inner(arg)).collect();
    if let Some(function) = lookup(&RANGES, name) {
        let mut vector = over(name, function, None, args.first().copied(), demand)?;
        if name == "present_over_time" {
            vector.value = Number::constant(1.0);
        }
        vector.nan = !matches!(name, "count_over_time" | "present_over_time" | "changes" | "resets");
        return Ok(vector);
    }
    if let Some(function) = lookup(&NUMBERS, name) {
        return of_value(&args, demand, tables, |value| match function {
            // It is an error in SQL.
            "sqrt" => format!("CASE WHEN {0} < -0.0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt({0}) END", value.text),
            function => format!("{function}({})", value.text),
        });
    }
    if let Some(part) = lookup(&PARTS, name) {
        let part = |time: &str| Number::atom(format!("CAST(extract({part} FROM {time}) AS DOUBLE)"));
        return match args.as_slice() {
            [] => Ok(one_row(part("now()"))),
            [of] => {
                let mut vector = vector(of, demand, tables)?;
                vector.value = part(&format!("to_timestamp({})", vector.value.text));
                Ok(vector)
            }
            _ => refuse(format!("{name}() with so many arguments")),
        };
    }
    match (name, args.as_slice()) {
        ("quantile_over_time", [q, of]) => {
            let q = constant(name, q)?;
            if !(0.0..=1.0).contains(&q) {
                return refuse(format!("{name}({q}, …): the quantile is not from 0 to 1"));
            }
            over(name, "quantile_over", Some(format!("{q:?}")), Some(of), demand)
        }
        ("predict_linear", [of, ahead]) => {
            let ahead = constant(name, ahead)?;
            if !(1e-3..=1e9).contains(&ahead) {
                return refuse(format!(
                    "{name}(…, {ahead}): it looks ahead by more than nothing and less than 30 years"
                ));
            }
            let ahead = interval(Duration::from_millis((ahead * 1000.0).round() as u64));
            over(name, "predict_linear", Some(ahead), Some(of), demand)
        }
        ("vector", [number]) => Ok(one_row(scalar(number)?)),
        ("sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc", [of, ..]) => vector(of, demand, tables),
        ("timestamp", [Expr::VectorSelector(selector)]) => {
            let mut vector = select(selector, &Range::LATEST, demand)?;
            (vector.value, vector.nan) = (Number::atom("extract(epoch FROM time)"), false);
            Ok(vector)
        }
        ("timestamp", [of]) => {
            let mut vector = vector(of, demand, tables)?;
            (vector.value, vector.nan, vector.null) = (Number::atom(NOW), false, false);
            Ok(vector)
        }
        ("round", [of, to @ ..]) => {
            let to = to.first().map_or(Ok(1.0), |to| constant(name, to))?;
            let per = Number::constant(1.0 / to);
            let mut vector = vector(of, demand, tables)?;
            let scaled =
                if to == 1.0 { vector.value } else { Number::arithmetic(Arithmetic::Mul, &vector.value, &per) };
            let halves = Number::arithmetic(Arithmetic::Add, &scaled, &Number::constant(0.5));
            let whole = Number::atom(format!("floor({})", halves.text));
            vector.value = if to == 1.0 { whole } else { Number::arithmetic(Arithmetic::Div, &whole, &per) };
            Ok(vector)
        }
        ("clamp_min", [of, least]) => clamp(of, Some(constant(name, least)?), None, demand, tables),
        ("clamp_max", [of, most]) => clamp(of, None, Some(constant(name, most)?), demand, tables),
        ("clamp", [of, least, most]) => {
            let (least, most) = (constant(name, least)?, constant(name, most)?);
            if least > most {
                return refuse("clamp() with a minimum above its maximum");
            }
            clamp(of, Some(least), Some(most), demand, tables)
        }
        ("absent", [of]) => absent(of, vector(of, &Demand::of(&[]), tables)?, tables),
        ("absent_over_time", [of]) => absent(of, over(name, "last_over", None, Some(of), &Demand::of(&[]))?, tables),
        ("histogram_quantile", [q, of]) => histogram_quantile(constant(name, q)?, of, demand, tables),
        ("label_replace", [of, rest @ ..]) => label_replace(of, &texts(name, rest)?, demand, tables),
        ("label_join", [of, rest @ ..]) => label_join(of, &texts(name, rest)?, demand, tables),
        _ => refuse(format!("the function {name}()")),
    }
}

/// An expression without brackets around it.
fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(ParenExpr { expr }) => inner(expr),
        expr => expr,
    }
}

fn constant(function: &str, expr: &Expr) -> Result<f64, Refused> {
    let number = if is_scalar(expr) { scalar(expr)?.constant } else { None };
    match number {
        Some(number) => Ok(number),
        None => refuse(format!("{function}() with a parameter that varies")),
    }
}

fn texts(function: &str, args: &[&Expr]) -> Result<Vec<String>, Refused> {
    args.iter()
        .map(|arg| match arg {
            Expr::StringLiteral(text) => Ok(text.val.clone()),
            _ => refuse(format!("{function}() with an argument that is not a text")),
        })
        .collect()
}

/// A function over the samples of a range.
fn over(
    name: &str,
    function: &'static str,
    more: Option<String>,
    of: Option<&Expr>,
    demand: &Demand,
) -> Result<Vector, Refused> {
    match of {
        Some(Expr::MatrixSelector(MatrixSelector { vs, range })) => {
            select(vs, &Range { function, length: Some(*range), more }, demand)
        }
        Some(Expr::Subquery(_)) => refuse(format!("{name}() of a subquery ([5m:1m])")),
        _ => refuse(format!("{name}() of what is no range of a selector")),
    }
}

fn of_value(
    args: &[&Expr],
    demand: &Demand,
    tables: &mut Tables,
    text: impl Fn(&Number) -> String,
) -> Result<Vector, Refused> {
    let [of] = args else { return refuse("a function with so many arguments") };
    let mut vector = vector(of, demand, tables)?;
    vector.value = Number::atom(text(&vector.value));
    vector.nan = true;
    Ok(vector)
}

fn clamp(
    of: &Expr,
    least: Option<f64>,
    most: Option<f64>,
    demand: &Demand,
    tables: &mut Tables,
) -> Result<Vector, Refused> {
    let mut vector = vector(of, demand, tables)?;
    let value = &vector.value.text;
    let least =
        least.map(|least| Number::constant(least).float()).map(|least| format!(" WHEN {value} < {least} THEN {least}"));
    // NaN is no large number; it stays.
    let most = most
        .map(|most| Number::constant(most).float())
        .map(|most| format!(" WHEN {value} > {most} AND NOT isnan({value}) THEN {most}"));
    let text = format!("CASE{}{} ELSE {value} END", least.unwrap_or_default(), most.unwrap_or_default());
    vector.value = Number::atom(text);
    Ok(vector)
}

/// One row if there is none, with the labels that a selector asks for by `=`.
fn absent(of: &Expr, rows: Vector, tables: &mut Tables) -> Result<Vector, Refused> {
    let labels = match of {
        Expr::VectorSelector(selector) => equal_labels(selector),
        Expr::MatrixSelector(matrix) => equal_labels(&matrix.vs),
        _ => Vec::new(),
    };
    let (name, rows) = tables.put(&rows);
    let from = format!("(SELECT count(*) AS count FROM {name}) AS found");
    let columns = labels.into_iter().map(|(name, value)| (name, quoted(&value))).collect();
    let mut vector = Vector::of(from, Labels::Columns(columns), Number::constant(1.0), rows.tables);
    vector.keep(["found.count = 0".to_owned()]);
    vector.nan = false;
    Ok(vector)
}

fn equal_labels(selector: &VectorSelector) -> Vec<(String, String)> {
    let matchers = &selector.matchers.matchers;
    let alone = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count() == 1;
    let equal = matchers.iter().filter(|matcher| {
        matches!(matcher.op, MatchOp::Equal)
            && matcher.name != "__name__"
            && !matcher.value.is_empty()
            && alone(&matcher.name)
    });
    equal.map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect()
}

/// The quantile of classic buckets, per set of labels but `le`.
fn histogram_quantile(q: f64, of: &Expr, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    if !(0.0..=1.0).contains(&q) {
        return refuse(format!("histogram_quantile({q}, …): the quantile is not from 0 to 1"));
    }
    let le = "le".to_owned();
    let mut rows = rows(of, &demand.and(std::slice::from_ref(&le)), tables)?;
    let Some(bound) = rows.labels.get(&le) else {
        return refuse("histogram_quantile() of rows without the label 'le'");
    };
    rows.labels = rows.labels.without(&[le]);
    // PromQL leaves rows without a bucket's bound out.
    rows.filters.push(format!("{bound} IS NOT NULL"));
    rows.group = Some(match &rows.labels {
        Labels::Columns(columns) => columns.iter().map(|column| column.1.clone()).collect(),
        Labels::Set(set) => vec![set.clone()],
    });
    rows.value = Number::atom(format!("histogram_quantile({q:?}, {bound}, {})", rows.value.text));
    (rows.nan, rows.null) = (true, true);
    Ok(rows)
}

/// A label's text, empty where it is not there.
fn text_of(labels: &Labels, name: &str) -> String {
    labels.get(name).map_or_else(|| "''".to_owned(), |text| format!("coalesce({text}, '')"))
}

fn label_replace(of: &Expr, texts: &[String], demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let [to, replacement, from, pattern] = texts else { return refuse("label_replace() with so many arguments") };
    let anchored = format!("^(?s:{pattern})$");
    if regex::Regex::new(&anchored).is_err() {
        return refuse(format!("the pattern '{pattern}': it has no meaning outside of Go"));
    }
    let rows = put_alone(vector(of, &demand.and(&[to.clone(), from.clone()]), tables)?, tables);
    let source = text_of(&rows.labels, from);
    // SQL would take a backslash for a group's number.
    if replacement.contains('\\') {
        return refuse("label_replace() with a backslash in the replacement");
    }
    let replaced = if replacement.contains('$') {
        format!("regexp_replace({source}, {}, {})", quoted(&anchored), quoted(replacement))
    } else {
        quoted(replacement)
    };
    let kept = rows.labels.get(to).unwrap_or_else(|| "NULL".to_owned());
    let text = format!("CASE WHEN {source} ~ {} THEN nullif({replaced}, '') ELSE {kept} END", quoted(&anchored));
    let labels = rows.labels.with(to, &text);
    Ok(Vector { labels, ..rows })
}

fn label_join(of: &Expr, texts: &[String], demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let [to, between, from @ ..] = texts else { return refuse("label_join() with so few arguments") };
    let asked = demand.and(std::slice::from_ref(to)).and(from);
    let rows = put_alone(vector(of, &asked, tables)?, tables);
    let parts: Vec<_> = from.iter().map(|name| text_of(&rows.labels, name)).collect();
    let text = if parts.is_empty() { "NULL".to_owned() } else { parts.join(&format!(" || {} || ", quoted(between))) };
    let labels = rows.labels.with(to, &format!("nullif({text}, '')"));
    Ok(Vector { labels, ..rows })
}

/// The rows as a table of their own where they are put together, so that their labels are plain columns.
fn put_alone(rows: Vector, tables: &mut Tables) -> Vector {
    if rows.group.is_some() { tables.put(&rows).1 } else { rows }
}
