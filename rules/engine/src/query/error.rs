//! Why a query was refused or stopped, in words that name the fix.

use std::time::Duration;

use super::session::UNBOUNDED;

/// A place in the SQL text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// A query that could not be planned or run. [`std::fmt::Display`] gives what is wrong and the fix, without the place, which is
/// [`QueryError::position`]; so a caller can print `file:line:column: message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is not SQL.
    #[error("syntax error: {message}")]
    Syntax {
        /// What was expected and what was found.
        message: String,
        /// Where.
        position: Option<Position>,
    },
    /// Something that would change data, settings or tables, or more than one statement.
    #[error("{found} is refused: write one SELECT (or WITH … SELECT); data is never changed through SQL")]
    NotASelect {
        /// The first words of what was given: `INSERT`, `2 statements`.
        found: String,
    },
    /// No table has this name.
    #[error("unknown table '{name}'{}", did_you_mean(nearest.as_deref(), "SHOW TABLES lists what there is; a metric's table exists from its first point on"))]
    UnknownTable {
        /// As written.
        name: String,
        /// The most similar name of a table.
        nearest: Option<String>,
        /// Where.
        position: Option<Position>,
    },
    /// No column in scope has this name.
    #[error("unknown column '{name}'{}{}", in_table(table.as_deref()), did_you_mean(nearest.as_deref(), &columns_there(available)))]
    UnknownColumn {
        /// As written.
        name: String,
        /// The qualifier as written, or the only table in scope.
        table: Option<String>,
        /// The most similar name of a column.
        nearest: Option<String>,
        /// The names of the columns in scope.
        available: Vec<String>,
        /// Where.
        position: Option<Position>,
    },
    /// No function has this name, or it is one that is refused.
    #[error("{}", no_function(name, nearest.as_deref()))]
    UnknownFunction {
        /// As written.
        name: String,
        /// What is likely meant.
        nearest: Option<String>,
        /// Where.
        position: Option<Position>,
    },
    /// A name that more than one table or column answers to.
    #[error("'{name}' is ambiguous: write one of {} exactly", candidates.join(", "))]
    AmbiguousName {
        /// As written.
        name: String,
        /// What it may mean.
        candidates: Vec<String>,
        /// Where.
        position: Option<Position>,
    },
    /// Arguments of a function that it does not take.
    #[error("{function}: {message}")]
    Argument {
        /// The function.
        function: String,
        /// What is wrong and what it takes.
        message: String,
        /// Where.
        position: Option<Position>,
    },
    /// Anything else that planning refuses: types that do not fit, a column outside GROUP BY.
    #[error("{message}")]
    Plan {
        /// In the planner's words.
        message: String,
        /// Where, as far as the planner knows.
        position: Option<Position>,
    },
    /// More rows than allowed.
    #[error("the query was stopped: it gives more than {limit} rows; aggregate, add LIMIT, or narrow WHERE")]
    RowLimit {
        /// [`super::QueryLimits::rows`].
        limit: usize,
    },
    /// It took too long.
    #[error("the query was stopped: it took longer than {limit:?}; narrow the time in WHERE, or join fewer rows")]
    TimeLimit {
        /// [`super::QueryLimits::time`].
        limit: Duration,
    },
    /// It needed too much memory.
    #[error("the query was stopped: it needed more than {} of memory; narrow the time in WHERE, or group by fewer columns", mebibytes(*limit_bytes))]
    MemoryLimit {
        /// [`super::QueryLimits::memory_bytes`].
        limit_bytes: usize,
    },
    /// It failed while running, on account of the data: a division by zero, a cast that does not fit.
    #[error("the query failed: {message}")]
    Execution {
        /// In the engine's words.
        message: String,
    },
    /// A fault of flyball: a file that can't be read, an engine invariant.
    #[error("the query failed inside flyball: {message}")]
    Internal {
        /// What happened.
        message: String,
    },
}

impl QueryError {
    /// Where in the SQL text, if that is known: line and column, both from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        match self {
            Self::Syntax { position, .. }
            | Self::UnknownTable { position, .. }
            | Self::UnknownColumn { position, .. }
            | Self::UnknownFunction { position, .. }
            | Self::AmbiguousName { position, .. }
            | Self::Argument { position, .. }
            | Self::Plan { position, .. } => position.map(|at| (at.line, at.column)),
            _ => None,
        }
    }

    /// Whether another text, or a smaller question, would have been answered; false only for a fault of flyball.
    pub fn is_client_fault(&self) -> bool {
        !matches!(self, Self::Internal { .. })
    }

    /// A stable word for programs: `unknown_table`, `row_limit`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::NotASelect { .. } => "not_a_select",
            Self::UnknownTable { .. } => "unknown_table",
            Self::UnknownColumn { .. } => "unknown_column",
            Self::UnknownFunction { .. } => "unknown_function",
            Self::AmbiguousName { .. } => "ambiguous_name",
            Self::Argument { .. } => "argument",
            Self::Plan { .. } => "plan",
            Self::RowLimit { .. } => "row_limit",
            Self::TimeLimit { .. } => "time_limit",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::Execution { .. } => "execution",
            Self::Internal { .. } => "internal",
        }
    }

    /// The same error with a place, unless it has one.
    pub(crate) fn at(mut self, place: Option<Position>) -> Self {
        if let Self::UnknownTable { position, .. }
        | Self::UnknownColumn { position, .. }
        | Self::UnknownFunction { position, .. }
        | Self::AmbiguousName { position, .. }
        | Self::Argument { position, .. }
        | Self::Plan { position, .. } = &mut self
        {
            *position = position.or(place);
        }
        self
    }

    /// Wrapped for the way through DataFusion; [`super::diagnose`] unwraps it.
    pub(crate) fn into_datafusion(self) -> datafusion::error::DataFusionError {
        datafusion::error::DataFusionError::External(Box::new(self))
    }
}

fn no_function(name: &str, nearest: Option<&str>) -> String {
    let table = "range functions such as rate, latest and avg_over stand after FROM";
    match name {
        "range" | "generate_series" => {
            format!("the function '{name}' is refused here, since its result has no bound: it stands after FROM")
        }
        _ if UNBOUNDED.contains(&name) => {
            format!("the function '{name}' is refused, since its result has no bound")
        }
        _ => format!("unknown function '{name}'{}", did_you_mean(nearest, table)),
    }
}

fn did_you_mean(nearest: Option<&str>, otherwise: &str) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean {nearest}?"),
        None if otherwise.is_empty() => String::new(),
        None => format!(": {otherwise}"),
    }
}

fn in_table(table: Option<&str>) -> String {
    table.map(|table| format!(" in '{table}'")).unwrap_or_default()
}

fn columns_there(available: &[String]) -> String {
    /// More names than this are no help in a message.
    const SHOWN_MAX: usize = 20;
    match available.len() {
        0 => String::new(),
        count if count <= SHOWN_MAX => format!("there are {}", available.join(", ")),
        count => format!("there are {} and {} more", available[..SHOWN_MAX].join(", "), count - SHOWN_MAX),
    }
}

fn mebibytes(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{bytes} bytes") }
}
