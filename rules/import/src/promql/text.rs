//! Pieces of SQL text: names, texts, numbers, intervals, and expressions that know how tightly they bind.

use std::time::Duration;

/// Words of SQL that can't be column names without quotes. Labels seldom are one; quoting too many does no harm.
const RESERVED: [&str; 113] = [
    "all",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asof",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "ceil",
    "check",
    "cluster",
    "column",
    "connect",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "date",
    "default",
    "desc",
    "distinct",
    "distribute",
    "else",
    "end",
    "except",
    "exclude",
    "exists",
    "explain",
    "extract",
    "false",
    "fetch",
    "filter",
    "floor",
    "for",
    "format",
    "from",
    "full",
    "global",
    "group",
    "grouping",
    "having",
    "in",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "map",
    "match_condition",
    "match_recognize",
    "minus",
    "natural",
    "not",
    "now",
    "null",
    "offset",
    "on",
    "open",
    "or",
    "order",
    "outer",
    "output",
    "over",
    "overlay",
    "partition",
    "pivot",
    "position",
    "prewhere",
    "primary",
    "qualify",
    "returning",
    "right",
    "row",
    "sample",
    "select",
    "semi",
    "session_user",
    "set",
    "settings",
    "sort",
    "start",
    "struct",
    "substring",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "top",
    "trim",
    "true",
    "union",
    "unpivot",
    "user",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
];

/// A column's name, in quotes where it needs them.
pub(crate) fn column(name: &str) -> String {
    if is_word(name) && !RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A metric's name as the argument of a range function.
pub(crate) fn metric(name: &str) -> String {
    if is_word(name) && !RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Text literals, each behind a comma.
pub(crate) fn quoted_list<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    texts.into_iter().map(|text| format!(", {}", quoted(text))).collect()
}

/// An interval in its largest whole unit.
pub(crate) fn interval(length: Duration) -> String {
    const UNITS: [(u128, &str); 5] =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"), (1, "millisecond")];
    let millis = length.as_millis();
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| millis.is_multiple_of(*unit)).unwrap_or((1, "millisecond"));
    let count = millis / unit;
    format!("INTERVAL '{count} {name}{}'", if count == 1 { "" } else { "s" })
}

/// How tightly an expression binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Sum,
    Product,
    Atom,
}

/// A number's expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: String,
    level: Level,
    /// The number, where it is one for all rows and all times.
    pub(crate) constant: Option<f64>,
}

impl Number {
    /// A column or a function call.
    pub(crate) fn atom(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: Level::Atom, constant: None }
    }

    pub(crate) fn constant(value: f64) -> Self {
        let text = if value.is_nan() {
            "CAST('NaN' AS DOUBLE)".to_owned()
        } else if value.is_infinite() {
            format!("CAST('{}Infinity' AS DOUBLE)", if value < 0.0 { "-" } else { "" })
        } else if value.fract() == 0.0 && value.abs() < 1e15 {
            format!("{value:.0}")
        } else {
            format!("{value:?}")
        };
        // A minus in front of a number binds as a difference does.
        let level = if text.starts_with('-') { Level::Sum } else { Level::Atom };
        Self { text, level, constant: Some(value) }
    }

    /// The text, in brackets if it binds less tightly than `least`.
    fn at_least(&self, least: Level) -> String {
        if self.level < least { format!("({})", self.text) } else { self.text.clone() }
    }

    /// The text where it must be a float of itself: `1` would make `1 / 2` a division of integers.
    pub(crate) fn float(&self) -> String {
        match self.constant {
            Some(value) if value.is_finite() => format!("{value:?}"),
            _ => self.text.clone(),
        }
    }

    /// `left op right`; two constants are one.
    pub(crate) fn arithmetic(op: Arithmetic, left: &Self, right: &Self) -> Self {
        if let (Some(left), Some(right)) = (left.constant, right.constant) {
            return Self::constant(op.apply(left, right));
        }
        // An integer literal beside a float becomes a float.
        let (level, sign) = match op {
            Arithmetic::Add => (Level::Sum, '+'),
            Arithmetic::Sub => (Level::Sum, '-'),
            Arithmetic::Mul => (Level::Product, '*'),
            Arithmetic::Div => (Level::Product, '/'),
            Arithmetic::Mod => (Level::Product, '%'),
            Arithmetic::Pow => return Self::atom(format!("power({}, {})", left.float(), right.float())),
            Arithmetic::Atan2 => return Self::atom(format!("atan2({}, {})", left.float(), right.float())),
        };
        let above = if level == Level::Sum { Level::Product } else { Level::Atom };
        let text = format!("{} {sign} {}", left.at_least(level), right.at_least(above));
        Self { text, level, constant: None }
    }
}

/// Operators on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
}

impl Arithmetic {
    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
            Self::Mod => left % right,
            Self::Pow => left.powf(right),
            Self::Atan2 => left.atan2(right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_sql_would_not_read_them() {
        assert_eq!(column("job"), "job");
        assert_eq!(column("order"), "\"order\"");
        assert_eq!(column("cluster"), "\"cluster\"");
        assert_eq!(metric("node:cpu"), "'node:cpu'");
        assert_eq!(quoted("it's"), "'it''s'");
    }

    #[test]
    fn numbers_keep_their_value_and_their_brackets() {
        let value = Number::atom("value");
        let number = |op, left: &Number, right: &Number| Number::arithmetic(op, left, right);
        let rest = number(Arithmetic::Sub, &Number::constant(1.0), &value);
        assert_eq!(number(Arithmetic::Mul, &Number::constant(100.0), &rest).text, "100 * (1 - value)");
        assert_eq!(number(Arithmetic::Sub, &rest, &rest).text, "1 - value - (1 - value)");
        assert_eq!(number(Arithmetic::Div, &Number::constant(1.0), &Number::constant(4.0)).text, "0.25");
        assert_eq!(number(Arithmetic::Mul, &value, &Number::constant(-2.0)).text, "value * (-2)");
        assert_eq!(Number::constant(f64::INFINITY).text, "CAST('Infinity' AS DOUBLE)");
    }

    #[test]
    fn intervals_have_one_unit() {
        assert_eq!(interval(Duration::from_secs(90)), "INTERVAL '90 seconds'");
        assert_eq!(interval(Duration::from_secs(3600)), "INTERVAL '1 hour'");
        assert_eq!(interval(Duration::from_millis(1_500)), "INTERVAL '1500 milliseconds'");
    }
}
