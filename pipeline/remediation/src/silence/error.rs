//! What is wrong with a silence that somebody wants, and how to mend it.

use super::matcher::{MATCHERS_MAX, PATTERN_BYTES_MAX};
use super::registry::{REGEXES_MAX, SILENCES_MAX};
use super::silence::{AUTHOR_BYTES_MAX, COMMENT_BYTES_MAX};

/// A matcher that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// It can't be read.
    #[error(
        "'{text}' is not a matcher; write name=value, name!=value, name=~regex or name!~regex, the value in quotes if it has blanks"
    )]
    Syntax {
        /// What was written.
        text: String,
    },
    /// A label has no such name.
    #[error("'{name}' is not the name of a label; it begins with a letter or _ and goes on with letters, digits and _")]
    Name {
        /// The name.
        name: String,
    },
    /// A value beyond any use.
    #[error("the value of the matcher on '{name}' has more than {PATTERN_BYTES_MAX} bytes")]
    TooLong {
        /// The label's name.
        name: String,
    },
    /// A pattern that can't be read, or grows too large.
    #[error("'{pattern}' on '{name}' is not a usable regular expression: {reason}")]
    Regex {
        /// The label's name.
        name: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A silence that can't be made, changed or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// A condition can't be used.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// It would silence everything.
    #[error(
        "a silence needs at least one matcher that does not match the empty string; name a label, for example alertname"
    )]
    MatchesEverything,
    /// More conditions than anybody needs.
    #[error(
        "a silence has at most {MATCHERS_MAX} matchers, not {found}; use a regular expression, or several silences"
    )]
    TooManyMatchers {
        /// How many there were.
        found: usize,
    },
    /// It ends before it begins.
    #[error("start time must be before end time")]
    EndsBeforeItStarts,
    /// It is over already.
    #[error("end time can't be in the past")]
    EndsInThePast,
    /// A text beyond any use.
    #[error("createdBy has at most {AUTHOR_BYTES_MAX} bytes and comment at most {COMMENT_BYTES_MAX}")]
    TextTooLong,
    /// There is no such silence.
    #[error("silence {id} not found")]
    NotFound {
        /// The id.
        id: String,
    },
    /// It is a maintenance window's.
    #[error("silence {id} is the maintenance window '{window}' of the configuration; change it there")]
    OfTheConfiguration {
        /// The id.
        id: String,
        /// The window's name.
        window: String,
    },
    /// As many as may be.
    #[error(
        "there are {SILENCES_MAX} silences that have not expired; expire some, or use one with a regular expression"
    )]
    TooMany,
    /// As many patterns as may be.
    #[error(
        "all silences together have at most {REGEXES_MAX} regular expressions; expire some silences, or match by equality"
    )]
    TooManyRegexes,
}

impl SilenceError {
    /// Whether there is no such silence.
    pub fn is_not_found(&self) -> bool {
        matches!(self, SilenceError::NotFound { .. })
    }
}

/// A maintenance window that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A condition can't be used, or there is none.
    #[error(transparent)]
    Silence(#[from] SilenceError),
    /// The schedule can't be read, or the machine does not know the time zone.
    #[error(
        "'{cron}' in the time zone '{time_zone}' is not a schedule: {reason}; write minute, hour, day of the month, month, day of the week, as in '0 2 * * 6'"
    )]
    Schedule {
        /// The expression.
        cron: String,
        /// The time zone.
        time_zone: String,
        /// What is wrong.
        reason: String,
    },
    /// It never comes.
    #[error("'{cron}' never comes within four years")]
    Never {
        /// The expression.
        cron: String,
    },
}
