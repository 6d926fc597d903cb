//! Selectors: `up{job="node"}` and the range functions over `up{job="node"}[5m]`.

use std::time::Duration;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::VectorSelector;
use regex::Regex;

use super::text::{Number, column, interval, metric, quoted, quoted_list};
use super::vector::{Demand, Labels, Vector};
use super::{Refused, refuse};

/// Columns that a range function has of its own; a label of this name is reached through the map alone.
const OWN: [&str; 3] = ["time", "value", "labels"];

/// A range function and its arguments behind the metric.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) function: &'static str,
    pub(super) length: Option<Duration>,
    /// Behind the interval.
    pub(super) more: Option<String>,
}

impl Range {
    /// The newest sample of each series, as an instant selector has it.
    pub(super) const LATEST: Range = Range { function: "latest", length: None, more: None };
}

/// The rows that a selector gives.
pub(super) fn select(selector: &VectorSelector, range: &Range, demand: &Demand) -> Result<Vector, Refused> {
    if selector.offset.is_some() {
        return refuse("'offset': a range function of flyball ends now");
    }
    if selector.at.is_some() {
        return refuse("'@': a range function of flyball ends now");
    }
    if !selector.matchers.or_matchers.is_empty() {
        return refuse("'or' between matchers");
    }
    let (names, matchers): (Vec<_>, Vec<_>) =
        selector.matchers.matchers.iter().partition(|matcher| matcher.name == "__name__");
    let name = match (&selector.name, names.as_slice()) {
        (Some(name), []) => name.as_str(),
        (None, [Matcher { op: MatchOp::Equal, value, .. }]) => value.as_str(),
        _ => return refuse("a selector without one metric's name: a range function of flyball reads one metric"),
    };
    if let Some(matcher) = matchers.iter().find(|matcher| OWN.contains(&matcher.name.as_str())) {
        return refuse(format!("a matcher of the label '{}', which is a column of flyball's own", matcher.name));
    }
    let mut asked: Vec<String> = Vec::new();
    let labels = match demand {
        Demand::All => {
            asked.push("*".to_owned());
            Labels::Set("labels".to_owned())
        }
        Demand::Names(names) => {
            if let Some(own) = names.iter().find(|name| OWN.contains(&name.as_str())) {
                return refuse(format!("the label '{own}' by itself, which is a column of flyball's own"));
            }
            asked.extend(names.iter().cloned());
            Labels::Columns(names.iter().map(|name| (name.clone(), column(name))).collect())
        }
    };
    for matcher in &matchers {
        if !asked.contains(&matcher.name) {
            asked.push(matcher.name.clone());
        }
    }
    if asked.is_empty() {
        // With labels named, a metric that is not there is an empty table, as it is in PromQL.
        asked.push("*".to_owned());
    }
    let length = range.length.map(|length| format!(", {}", interval(length))).unwrap_or_default();
    let more = range.more.as_ref().map(|more| format!(", {more}")).unwrap_or_default();
    let from = format!("{}({}{length}{more}{})", range.function, metric(name), quoted_list(&asked));
    let mut vector = Vector::of(from, labels, Number::atom("value"), 1);
    for matcher in matchers {
        vector.filters.extend(condition(matcher)?);
    }
    Ok(vector)
}

/// A matcher as a condition; `None` where it always holds. A label that is not there is empty to PromQL and NULL here.
fn condition(matcher: &Matcher) -> Result<Option<String>, Refused> {
    let (name, value) = (column(&matcher.name), &matcher.value);
    Ok(Some(match &matcher.op {
        MatchOp::Equal if value.is_empty() => format!("{name} IS NULL"),
        MatchOp::Equal => format!("{name} = {}", quoted(value)),
        MatchOp::NotEqual if value.is_empty() => format!("{name} IS NOT NULL"),
        MatchOp::NotEqual => format!("({name} IS DISTINCT FROM {})", quoted(value)),
        MatchOp::Re(_) => return pattern(&name, value, true),
        MatchOp::NotRe(_) => return pattern(&name, value, false),
    }))
}

fn pattern(name: &str, pattern: &str, holds: bool) -> Result<Option<String>, Refused> {
    match pattern {
        ".*" => return Ok((!holds).then(|| "false".to_owned())),
        ".+" => return Ok(Some(format!("{name} IS {}NULL", if holds { "NOT " } else { "" }))),
        _ => {}
    }
    let anchored = format!("^(?s:{pattern})$");
    let Ok(regex) = Regex::new(&anchored) else {
        return refuse(format!("the pattern '{pattern}': it has no meaning outside of Go"));
    };
    let empty = regex.is_match("");
    let words: Option<Vec<&str>> = {
        let words: Vec<_> = pattern.split('|').collect();
        let plain =
            |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-/: ".contains(c));
        words.iter().all(plain).then_some(words)
    };
    let found = match words.as_deref() {
        Some([word]) => format!("{name} {} {}", if holds { "=" } else { "<>" }, quoted(word)),
        Some(words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            format!("{name} {}IN ({})", if holds { "" } else { "NOT " }, words.join(", "))
        }
        None => format!("{name} {}~ {}", if holds { "" } else { "!" }, quoted(&anchored)),
    };
    // An absent label is tried as an empty text.
    Ok(Some(if empty == holds { format!("({found} OR {name} IS NULL)") } else { found }))
}
