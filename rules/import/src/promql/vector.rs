//! An instant vector as a SELECT that is not written yet.
//!
//! Each element is a row with labels and a value. The labels are columns where it is known which ones there are (behind `by`), and
//! else one map, `labels`, which the range functions give when they are asked for `'*'`. What only changes or filters values is added to
//! the SELECT; what needs the finished rows puts them into a WITH table first.

use std::collections::BTreeSet;

use super::text::{Number, column, quoted, quoted_list};

/// Which labels whoever asks for a vector needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demand {
    /// All, exactly as they are.
    All,
    /// These; rows may come without the others, and are not put together for it.
    Names(BTreeSet<String>),
}

impl Demand {
    pub(crate) fn of(names: &[String]) -> Self {
        Self::Names(names.iter().cloned().collect())
    }

    /// These too.
    pub(crate) fn and(&self, more: &[String]) -> Self {
        match self {
            Self::All => Self::All,
            Self::Names(names) => Self::Names(names.iter().chain(more).cloned().collect()),
        }
    }

    /// Not these, for somebody else gives them.
    pub(crate) fn but(&self, fewer: &[String]) -> Self {
        match self {
            Self::All => Self::All,
            Self::Names(names) => Self::Names(names.iter().filter(|name| !fewer.contains(name)).cloned().collect()),
        }
    }
}

/// Where the labels of a row are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Labels {
    /// Each in a column: its name and its expression. A label that is not listed is not there.
    Columns(Vec<(String, String)>),
    /// All in a map.
    Set(String),
}

impl Labels {
    /// The expression of one label; `None` where no row has it.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::Columns(columns) => columns.iter().find(|column| column.0 == name).map(|column| column.1.clone()),
            Self::Set(set) => Some(format!("label({set}, {})", quoted(name))),
        }
    }

    /// All labels as one map.
    pub(crate) fn set(&self) -> String {
        match self {
            Self::Set(set) => set.clone(),
            // A set without any; a call needs arguments.
            Self::Columns(columns) if columns.is_empty() => "labels('none', NULL)".to_owned(),
            Self::Columns(columns) => {
                let pairs: Vec<_> = columns.iter().map(|(name, text)| format!("{}, {text}", quoted(name))).collect();
                format!("labels({})", pairs.join(", "))
            }
        }
    }

    pub(crate) fn without(&self, names: &[String]) -> Self {
        match self {
            Self::Columns(columns) => {
                Self::Columns(columns.iter().filter(|column| !names.contains(&column.0)).cloned().collect())
            }
            Self::Set(set) if names.is_empty() => Self::Set(set.clone()),
            Self::Set(set) => Self::Set(format!("labels_without({set}{})", quoted_list(names))),
        }
    }

    /// With one label put in or replaced.
    pub(crate) fn with(&self, name: &str, text: &str) -> Self {
        match self {
            Self::Columns(columns) => {
                let others = columns.iter().filter(|column| column.0 != name).cloned();
                Self::Columns(others.chain([(name.to_owned(), text.to_owned())]).collect())
            }
            Self::Set(set) => Self::Set(format!("labels_with({set}, {}, {text})", quoted(name))),
        }
    }

    /// The same columns of a WITH table.
    fn of_table(&self, table: &str) -> Self {
        match self {
            Self::Columns(columns) => Self::Columns(
                columns.iter().map(|(name, _)| (name.clone(), format!("{table}.{}", column(name)))).collect(),
            ),
            Self::Set(_) => Self::Set(format!("{table}.labels")),
        }
    }
}

/// The SELECT.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    pub(crate) from: String,
    pub(crate) filters: Vec<String>,
    /// What rows are put together by; `None` where each stays by itself.
    pub(crate) group: Option<Vec<String>>,
    pub(crate) having: Vec<String>,
    pub(crate) labels: Labels,
    pub(crate) value: Number,
    /// Whether the value may be NaN: comparisons of SQL order it among the numbers, those of PromQL are false.
    pub(crate) nan: bool,
    /// Whether NULL may stand for NaN.
    pub(crate) null: bool,
    /// How many tables its text reads, WITH tables counted as often as they are read.
    pub(crate) tables: usize,
}

impl Vector {
    /// Rows of a table as they are.
    pub(crate) fn of(from: String, labels: Labels, value: Number, tables: usize) -> Self {
        Self {
            from,
            filters: Vec::new(),
            group: None,
            having: Vec::new(),
            labels,
            value,
            nan: true,
            null: false,
            tables,
        }
    }

    /// Keeps rows for which this holds.
    pub(crate) fn keep(&mut self, conditions: impl IntoIterator<Item = String>) {
        match self.group {
            Some(_) => self.having.extend(conditions),
            None => self.filters.extend(conditions),
        }
    }

    /// The value, where NULL would be left out instead of counting as NaN.
    pub(crate) fn value_or_nan(&self) -> String {
        if self.null {
            format!("coalesce({}, CAST('NaN' AS DOUBLE))", self.value.text)
        } else {
            self.value.text.clone()
        }
    }

    /// The text of the SELECT, its value as `value` gives it.
    pub(crate) fn select(&self, value: &str) -> String {
        let mut columns = match &self.labels {
            Labels::Columns(columns) => columns.iter().map(|(name, text)| named(text, &column(name))).collect(),
            Labels::Set(set) => vec![named(set, "labels")],
        };
        columns.push(named(value, "value"));
        let mut text = format!("SELECT {}\nFROM {}", columns.join(", "), self.from);
        let joined = |conditions: &[String]| conditions.join(" AND ");
        if !self.filters.is_empty() {
            text.push_str(&format!("\nWHERE {}", joined(&self.filters)));
        }
        let mut having = self.having.clone();
        match self.group.as_deref() {
            None => {}
            // Nothing put together is nothing, not a row of nothing.
            Some([]) => having.insert(0, "count(*) > 0".to_owned()),
            Some(group) => text.push_str(&format!("\nGROUP BY {}", group.join(", "))),
        }
        if !having.is_empty() {
            text.push_str(&format!("\nHAVING {}", joined(&having)));
        }
        text
    }
}

/// `text AS name`, without the name where it is the same.
pub(super) fn named(text: &str, name: &str) -> String {
    if text == name { text.to_owned() } else { format!("{text} AS {name}") }
}

/// The WITH tables of one query.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    texts: Vec<String>,
}

impl Tables {
    /// Puts a vector into a WITH table; the answer reads it, and its columns are written with the table's name.
    pub(crate) fn put(&mut self, vector: &Vector) -> (String, Vector) {
        let name = self.name();
        let value = if vector.null { vector.value_or_nan() } else { vector.value.text.clone() };
        let text = vector.select(&value).replace('\n', "\n  ");
        self.texts.push(format!("{name} AS (\n  {text}\n)"));
        let labels = vector.labels.of_table(&name);
        let mut read = Vector::of(name.clone(), labels, Number::atom(format!("{name}.value")), vector.tables);
        read.nan = vector.nan;
        (name, read)
    }

    /// A name that no table of the query has: `a`, `b`, …, `a1`.
    pub(crate) fn name(&mut self) -> String {
        let at = self.texts.len();
        let letter = char::from(b'a' + (at % 26) as u8);
        if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26) }
    }

    /// The whole query.
    pub(crate) fn query(&self, select: &str) -> String {
        if self.texts.is_empty() { select.to_owned() } else { format!("WITH {}\n{select}", self.texts.join(", ")) }
    }
}
