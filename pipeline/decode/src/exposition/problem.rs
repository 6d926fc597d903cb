//! What can be wrong with a line.

use crate::shown::shown;

/// What is wrong with an exposition, at the place that stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpositionProblem {
    /// Bytes that are no text.
    #[error("these bytes are not UTF-8")]
    NotUtf8,
    /// Neither a sample nor a comment.
    #[error("a line begins with a metric's name, '{{' or '#'{found}")]
    Line {
        /// What stands there.
        found: Found,
    },
    /// A blank line in OpenMetrics.
    #[error("OpenMetrics has no blank lines and no comments; send text/plain; version=0.0.4, or leave it out")]
    NotOpenMetrics,
    /// Braces without a name in them or before them.
    #[error("the sample has no metric name; write it before the braces or quoted inside them")]
    NoName,
    /// Two names.
    #[error("the sample has two metric names")]
    TwoNames,
    /// A quote that is not closed.
    #[error("a quoted text is not closed")]
    Unclosed,
    /// The labels break off.
    #[error("the labels are not closed with '}}'")]
    UnclosedLabels,
    /// Something else than a label.
    #[error("a label's name is expected{found}")]
    LabelName {
        /// What stands there.
        found: Found,
    },
    /// A label without its value.
    #[error("'=' and a quoted value are expected after a label's name{found}")]
    LabelValue {
        /// What stands there.
        found: Found,
    },
    /// Two labels without a comma.
    #[error("',' or '}}' is expected after a label{found}")]
    Comma {
        /// What stands there.
        found: Found,
    },
    /// A series without a value.
    #[error("a value is expected after the series{found}")]
    NoValue {
        /// What stands there.
        found: Found,
    },
    /// A value that is no number.
    #[error("{found} is not a value; write a decimal number, NaN, +Inf or -Inf")]
    Value {
        /// What stands there.
        found: Found,
    },
    /// A time that is none.
    #[error("{found} is not a time; write {wanted}")]
    Time {
        /// What stands there.
        found: Found,
        /// The form that this format has.
        wanted: &'static str,
    },
    /// Something after the last thing of a line.
    #[error("the line should end here{found}")]
    LineEnd {
        /// What stands there.
        found: Found,
    },
    /// OpenMetrics separates with exactly one space.
    #[error("one space is expected{found}")]
    Space {
        /// What stands there.
        found: Found,
    },
    /// A comment of a known kind without the name it is about.
    #[error("a metric's name is expected after {keyword}{found}")]
    Family {
        /// HELP, TYPE or UNIT.
        keyword: &'static str,
        /// What stands there.
        found: Found,
    },
    /// A comment of a known kind without its text.
    #[error("a text is expected after {keyword} and the name")]
    NoText {
        /// HELP, TYPE or UNIT.
        keyword: &'static str,
    },
    /// A type that the format does not have.
    #[error("{found} is not a type; write {wanted}")]
    Type {
        /// What stands there.
        found: Found,
        /// The types of this format.
        wanted: &'static str,
    },
    /// OpenMetrics wants the unit in the name.
    #[error("the name of a metric ends with its unit: _{unit}")]
    Unit {
        /// The unit.
        unit: String,
    },
    /// The body was cut off.
    #[error("the body does not end with '# EOF'; it was cut off, or is not OpenMetrics")]
    NoEof,
    /// The body goes on.
    #[error("nothing may follow '# EOF'")]
    AfterEof,
}

/// What stands at the place of a problem, as a part of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    text: String,
    lead: &'static str,
}

impl Found {
    /// Characters that are shown.
    pub(super) const CHARS_MAX: usize = 40;

    /// For the end of a message: `…, not 'x'`.
    pub(super) fn instead(rest: &str) -> Self {
        Self { text: Self::cut(rest), lead: ", not " }
    }

    /// For the beginning of a message: `'x' is not …`.
    pub(super) fn word(text: &str) -> Self {
        Self { text: Self::cut(text), lead: "" }
    }

    fn cut(rest: &str) -> String {
        let line = rest.split('\n').next().unwrap_or_default();
        if line.is_empty() {
            return "the end of the line".to_owned();
        }
        format!("'{}'", shown(line, Self::CHARS_MAX))
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.lead, self.text)
    }
}
