//! Units that do not fit each other, by what senders say of their metrics, and where none did by the last word of the metric's name, as Prometheus'
//! exporters name theirs (`scaph_host_power_microwatts`). Nothing is guessed of other values.

use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use super::super::codes::UNITS;
use super::origin::relation_of;
use super::{Look, compares, first_column, shown};
use crate::catalog::TableRead;
use crate::functions::unit_through;
use crate::query::units::{told, unit, units_from};

/// What a unit measures, and how much of the base unit it is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measure {
    what: &'static str,
    base: f64,
}

/// Units as senders write them (UCUM, and words), without prefix; then what they measure.
const BASES: [(&[&str], &str); 8] = [
    (&["W", "watt", "watts"], "power"),
    (&["J", "joule", "joules"], "energy"),
    (&["s", "second", "seconds", "sec"], "time"),
    (&["By", "B", "byte", "bytes"], "data"),
    (&["bit", "bits"], "data"),
    (&["Hz", "hertz"], "frequency"),
    (&["V", "volt", "volts"], "voltage"),
    (&["A", "ampere", "amperes"], "current"),
];
const PREFIXES: [(&[&str], f64); 11] = [
    (&["n", "nano"], 1e-9),
    (&["u", "µ", "μ", "micro"], 1e-6),
    (&["m", "milli"], 1e-3),
    (&["", ""], 1.0),
    (&["k", "kilo"], 1e3),
    (&["M", "mega"], 1e6),
    (&["G", "giga"], 1e9),
    (&["T", "tera"], 1e12),
    (&["Ki", "kibi"], 1024.0),
    (&["Mi", "mebi"], 1_048_576.0),
    (&["Gi", "gibi"], 1_073_741_824.0),
];
/// Units that no prefix makes.
const OTHERS: [(&str, &str, f64); 9] = [
    ("min", "time", 60.0),
    ("minutes", "time", 60.0),
    ("h", "time", 3600.0),
    ("hours", "time", 3600.0),
    ("d", "time", 86_400.0),
    ("Wh", "energy", 3600.0),
    ("kWh", "energy", 3_600_000.0),
    ("kwh", "energy", 3_600_000.0),
    ("mWh", "energy", 3.6),
];

/// What a unit means; rates are left alone.
fn measure(unit: &str) -> Option<Measure> {
    if let Some(&(_, what, base)) = OTHERS.iter().find(|other| other.0 == unit) {
        return Some(Measure { what, base });
    }
    let mut found = PREFIXES
        .iter()
        .flat_map(|(prefixes, factor)| prefixes.iter().map(move |prefix| (*prefix, *factor)))
        .filter_map(|(prefix, factor)| {
            let rest = unit.strip_prefix(prefix)?;
            let (names, what) = BASES.iter().find(|base| base.0.contains(&rest))?;
            // Words go with words: `microwatts`, `uW`, and no `uwatts` but `kwatts`, which nobody means otherwise.
            let bits = if names.contains(&"bit") { 0.125 } else { 1.0 };
            Some(Measure { what, base: factor * bits })
        });
    found.next()
}

/// What the end of a column's name says of its unit: `latency_ms`, `microwatts`, `power_kw`.
fn measure_of_name(name: &str) -> Option<(&str, Measure)> {
    let word = name.rsplit('_').next().unwrap_or(name);
    // A letter alone is a name more often than a unit, but for seconds and watts behind something.
    let behind_something = word.len() < name.len();
    let known = match word {
        "s" | "ms" | "us" | "ns" if behind_something => word,
        "w" if behind_something => "W",
        "kw" => "kW",
        "khz" => "kHz",
        "mhz" => "MHz",
        "ghz" => "GHz",
        "kb" => "kB",
        "mb" => "MB",
        "gb" => "GB",
        "tb" => "TB",
        "kib" => "KiB",
        "mib" => "MiB",
        "gib" => "GiB",
        "mw" | "min" | "h" | "d" | "b" | "m" => return None,
        word if word.len() > 3 || word == "kwh" => word,
        _ => return None,
    };
    Some((word, measure(known)?))
}

pub(super) fn check(look: &mut Look<'_>) {
    look.each_expr(|look, expr, _, over| match expr {
        Expr::BinaryExpr(pair) if compares(pair.op) || matches!(pair.op, Operator::Plus | Operator::Minus) => {
            compare(look, pair, over);
        }
        Expr::Alias(alias) => {
            let Some((word, named)) = measure_of_name(&alias.name) else { return };
            let Some(unit) = unit_over(look, &alias.expr, over) else { return };
            let Some(found) = measure(&unit) else { return };
            if found != named {
                let message = format!("'{}' is called {word} and is in {unit}", alias.name);
                look.note(
                    UNITS,
                    first_column(&alias.expr).as_ref(),
                    Some(&alias.name),
                    message,
                    conversion(&shown(&alias.expr), found, named, word),
                );
            }
        }
        _ => {}
    });
}

fn compare(look: &mut Look<'_>, pair: &BinaryExpr, over: &LogicalPlan) {
    let (Some(left), Some(right)) = (unit_over(look, &pair.left, over), unit_over(look, &pair.right, over)) else {
        return;
    };
    let (Some(a), Some(b)) = (measure(&left), measure(&right)) else { return };
    if a == b {
        return;
    }
    let done = if compares(pair.op) { "compared" } else { "added" };
    let message =
        format!("'{}' is in {left} and '{}' in {right}, and they are {done}", shown(&pair.left), shown(&pair.right));
    let hint = conversion(&shown(&pair.right), b, a, &left);
    look.note(UNITS, first_column(&pair.left).or_else(|| first_column(&pair.right)).as_ref(), None, message, hint);
}

fn unit_over(look: &Look<'_>, expr: &Expr, over: &LogicalPlan) -> Option<String> {
    // Most expressions have no unit at all, and the units of the plan below cost a walk through it.
    if matches!(expr, Expr::Literal(..)) {
        return None;
    }
    unit(expr, over.schema(), &units_from(over, &|table| of_table(look, table)))
}

/// The units of a table's columns: as told, or by the metric's name.
fn of_table(look: &Look<'_>, plan: &LogicalPlan) -> Vec<Option<String>> {
    let mut units = told(plan);
    let value = plan.schema().fields().iter().position(|field| field.name() == "value");
    if let Some(value) = value
        && units[value].is_none()
        && let LogicalPlan::TableScan(scan) = plan
        && let Some(relation) = relation_of(scan)
        && let TableRead::Metric(metric) = relation.read
    {
        let registry = look.database.store().registry().read();
        let name = registry.metric_name(metric);
        let word = measure_of_name(name.strip_suffix("_total").unwrap_or(name)).map(|(word, _)| word);
        // A sender's word wins, also where a function makes something of it that has no unit.
        let silent = registry.info(metric).unit.is_empty();
        units[value] = word.filter(|_| silent).and_then(|word| unit_through(relation.table.as_ref(), word));
    }
    units
}

fn conversion(expr: &str, from: Measure, to: Measure, unit: &str) -> String {
    if from.what != to.what {
        return format!("{} is no {}", from.what, to.what);
    }
    let factor = from.base / to.base;
    if factor >= 1.0 {
        format!("{expr} * {} is in {unit}", factor.round())
    } else {
        format!("{expr} / {} is in {unit}", (1.0 / factor).round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_senders_are_known_with_their_prefixes() {
        for (unit, what, base) in [
            ("W", "power", 1.0),
            ("uW", "power", 1e-6),
            ("microwatts", "power", 1e-6),
            ("kW", "power", 1e3),
            ("ms", "time", 1e-3),
            ("KiBy", "data", 1024.0),
            ("bit", "data", 0.125),
            ("kWh", "energy", 3.6e6),
            ("min", "time", 60.0),
            ("megabytes", "data", 1e6),
        ] {
            assert_eq!(measure(unit), Some(Measure { what, base }), "{unit}");
        }
        for unit in ["", "1", "{request}", "%", "W/s", "Cel", "m"] {
            assert_eq!(measure(unit), None, "{unit}");
        }
    }

    #[test]
    fn a_name_says_its_unit_at_its_end() {
        let of = |name| measure_of_name(name).map(|found| (found.1.what, found.1.base));
        assert_eq!(of("latency_s"), Some(("time", 1.0)));
        assert_eq!(of("watts"), Some(("power", 1.0)));
        assert_eq!(of("host_microwatts"), Some(("power", 1e-6)));
        for name in ["s", "w", "value", "latency_min", "hosts", "status", "cpu_m"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
