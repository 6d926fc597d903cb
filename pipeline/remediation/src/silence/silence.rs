//! A silence: from when to when nothing is told of violations that meet all of its matchers.

use flyball_model::event::Transition;
use flyball_model::time::UnixNanos;
use serde::{Deserialize, Serialize};

use super::error::SilenceError;
use super::matcher::{MATCHERS_MAX, Matcher};

/// Bytes of who made it, and of why.
pub(super) const AUTHOR_BYTES_MAX: usize = 256;
pub(super) const COMMENT_BYTES_MAX: usize = 4096;

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SilenceState {
    /// It holds.
    Active,
    /// It is to begin.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// Alertmanager's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            SilenceState::Active => "active",
            SilenceState::Pending => "pending",
            SilenceState::Expired => "expired",
        }
    }
}

/// A silence. Also a piece of [`Section::Silences`](flyball_model::state::Section::Silences), by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// A violation must meet all of them.
    pub matchers: Vec<Matcher>,
    /// From then on, to the millisecond.
    pub starts_at: UnixNanos,
    /// Until then, to the millisecond.
    pub ends_at: UnixNanos,
    /// When it was made or changed last.
    pub updated_at: UnixNanos,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Where it stands at `now`.
    pub fn state(&self, now: UnixNanos) -> SilenceState {
        match now {
            now if now >= self.ends_at => SilenceState::Expired,
            now if now < self.starts_at => SilenceState::Pending,
            _ => SilenceState::Active,
        }
    }

    /// Whether a violation is silenced by it at `now`.
    pub fn silences(&self, transition: &Transition, now: UnixNanos) -> bool {
        self.state(now) == SilenceState::Active
            && self.matchers.iter().all(|matcher| matcher.matches_transition(transition))
    }

    pub(super) fn regexes(&self) -> usize {
        self.matchers.iter().filter(|matcher| matcher.is_regex()).count()
    }
}

/// What somebody wants a silence to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The silence to change; `None` makes a new one.
    pub id: Option<String>,
    /// A violation must meet all of them.
    pub matchers: Vec<Matcher>,
    /// From then on; the past means now.
    pub starts_at: UnixNanos,
    /// Until then.
    pub ends_at: UnixNanos,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Draft {
    pub(super) fn check(&self, now: UnixNanos) -> Result<(), SilenceError> {
        check_matchers(&self.matchers)?;
        if self.starts_at >= self.ends_at {
            return Err(SilenceError::EndsBeforeItStarts);
        }
        if self.ends_at <= now {
            return Err(SilenceError::EndsInThePast);
        }
        if self.created_by.len() > AUTHOR_BYTES_MAX || self.comment.len() > COMMENT_BYTES_MAX {
            return Err(SilenceError::TextTooLong);
        }
        Ok(())
    }
}

/// A silence must say what it is about.
pub(super) fn check_matchers(matchers: &[Matcher]) -> Result<(), SilenceError> {
    if matchers.len() > MATCHERS_MAX {
        return Err(SilenceError::TooManyMatchers { found: matchers.len() });
    }
    // A condition of the kind `!=` says enough, as in Alertmanager.
    if matchers.iter().all(|matcher| matcher.is_equal() && matcher.matches("")) {
        return Err(SilenceError::MatchesEverything);
    }
    Ok(())
}
