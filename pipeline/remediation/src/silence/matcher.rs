//! A condition on one label: `severity="warning"`, `host!=a`, `cluster=~"edge-.*"`.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use flyball_model::event::Transition;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::error::MatcherError;

/// Matchers of one silence.
pub const MATCHERS_MAX: usize = 32;

/// Bytes of a value or pattern.
pub(super) const PATTERN_BYTES_MAX: usize = 1024;

/// Bytes that a pattern may grow to when it is compiled, and that its states may take while it matches: enough for words of any script
/// (`\w+` takes a good part of it), and with [`REGEXES_MAX`](super::registry::REGEXES_MAX) of them bearable.
const REGEX_BYTES_MAX: usize = 128 << 10;

/// A condition on one label; a label that is not there is empty. Patterns must match the whole value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Matcher {
    name: String,
    value: String,
    is_equal: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Text,
    /// Compiled when it is made, and when one that was written down is used first: those of silences that have expired never are. `None`
    /// is one that this version can't read any more.
    Pattern(OnceLock<Option<Regex>>),
}

/// A matcher as Alertmanager writes it in JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl From<Written> for Matcher {
    /// Of what [`Matcher::new`] made once; nothing is checked again.
    fn from(Written { name, value, is_regex, is_equal }: Written) -> Self {
        let kind = if is_regex { Kind::Pattern(OnceLock::new()) } else { Kind::Text };
        Self { name, value, is_equal, kind }
    }
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Self {
        let is_regex = matcher.is_regex();
        Self { name: matcher.name, value: matcher.value, is_regex, is_equal: matcher.is_equal }
    }
}

impl PartialEq for Matcher {
    /// The same words.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.value == other.value
            && self.is_equal == other.is_equal
            && self.is_regex() == other.is_regex()
    }
}

impl Matcher {
    /// A matcher of its parts.
    ///
    /// # Errors
    /// When the name is none, or the pattern can't be used.
    pub fn new(name: &str, value: &str, is_regex: bool, is_equal: bool) -> Result<Self, MatcherError> {
        if !is_label_name(name) {
            return Err(MatcherError::Name { name: name.chars().take(100).collect() });
        }
        if value.len() > PATTERN_BYTES_MAX {
            return Err(MatcherError::TooLong { name: name.to_owned() });
        }
        let kind = if is_regex { Kind::Pattern(Some(pattern(name, value)?).into()) } else { Kind::Text };
        Ok(Self { name: name.to_owned(), value: value.to_owned(), is_equal, kind })
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value or pattern.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it is a pattern.
    pub fn is_regex(&self) -> bool {
        !matches!(self.kind, Kind::Text)
    }

    /// Whether it asks for what matches, and not for what does not.
    pub fn is_equal(&self) -> bool {
        self.is_equal
    }

    /// Whether a value of the label meets it.
    pub fn matches(&self, value: &str) -> bool {
        match &self.kind {
            Kind::Text => (value == self.value) == self.is_equal,
            Kind::Pattern(compiled) => compiled
                .get_or_init(|| pattern(&self.name, &self.value).ok())
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(value) == self.is_equal),
        }
    }

    /// Whether a violation meets it.
    pub fn matches_transition(&self, transition: &Transition) -> bool {
        self.matches(label_of(transition, &self.name))
    }

    /// Gives a compiled pattern back, until it is needed again.
    pub(super) fn disarm(&mut self) {
        if let Kind::Pattern(compiled) = &mut self.kind {
            compiled.take();
        }
    }

    /// Whether there is a compiled pattern to give back.
    pub(super) fn is_armed(&self) -> bool {
        matches!(&self.kind, Kind::Pattern(compiled) if compiled.get().is_some())
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match (self.is_equal, self.is_regex()) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        };
        write!(f, "{}{operator}\"{}\"", self.name, self.value.replace('\\', r"\\").replace('"', "\\\""))
    }
}

impl FromStr for Matcher {
    type Err = MatcherError;

    /// Reads `name=value`, with or without quotes around the value.
    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let wrong = || MatcherError::Syntax { text: text.chars().take(200).collect() };
        let text = text.trim();
        let end = text.find(['=', '!', '~']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(end);
        let operators = [("=~", true, true), ("!~", true, false), ("!=", false, false), ("=", false, true)];
        let found = operators
            .iter()
            .find_map(|&(word, is_regex, is_equal)| rest.strip_prefix(word).map(|value| (value, is_regex, is_equal)));
        let (value, is_regex, is_equal) = found.ok_or_else(wrong)?;
        let value = unquoted(value.trim()).ok_or_else(wrong)?;
        Self::new(name.trim(), &value, is_regex, is_equal)
    }
}

/// What stands between quotes, with `\"`, `\\` and `\n` for what they stand for; without quotes the text as it is.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else { return (!text.contains('"')).then(|| text.to_owned()) };
    let mut value = String::new();
    let mut rest = inner.chars();
    loop {
        match rest.next()? {
            '"' => return rest.next().is_none().then_some(value),
            '\\' => match rest.next()? {
                'n' => value.push('\n'),
                c @ ('"' | '\\') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
}

fn is_label_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= PATTERN_BYTES_MAX
}

fn pattern(name: &str, pattern: &str) -> Result<Regex, MatcherError> {
    let build = |text: &str| {
        let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
        built.map_err(|error| {
            let reason = match error {
                regex::Error::CompiledTooBig(_) => format!("it grows beyond {REGEX_BYTES_MAX} bytes; make it shorter"),
                // The last line says what, those before draw where.
                error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            };
            MatcherError::Regex { name: name.to_owned(), pattern: pattern.chars().take(100).collect(), reason }
        })
    };
    // By itself first, so that a bracket too many can't end the group that holds it.
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

/// A label of a violation as alerts show it: its own, the rule's name as `alertname`, and `severity`. Empty where it is not there.
pub fn label_of<'a>(transition: &'a Transition, name: &str) -> &'a str {
    match name {
        "alertname" => &transition.rule,
        "severity" => &transition.severity,
        name => transition.labels.get(name).map_or("", String::as_str),
    }
}
