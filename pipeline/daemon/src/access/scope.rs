//! What somebody may do.

use std::fmt;

/// One thing that a token may allow. None includes another: a token has those that it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// Bring telemetry in.
    Write,
    /// Ask: SQL, twin, rules, `/metrics`, the page.
    Read,
    /// Approve, reject, silence.
    Act,
    /// Reload, edit the twin.
    Admin,
}

impl Scope {
    pub(crate) const ALL: [Scope; 4] = [Scope::Write, Scope::Read, Scope::Act, Scope::Admin];

    /// The word in the configuration and in claims.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Scope::Write => "write",
            Scope::Read => "read",
            Scope::Act => "act",
            Scope::Admin => "admin",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scopes(u8);

impl Scopes {
    pub(crate) fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Whether it has one of them.
    pub(crate) fn has_any(self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|&scope| self.has(scope))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = Scope::ALL.into_iter().filter(|&scope| self.has(scope)).map(Scope::as_str).collect();
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}
