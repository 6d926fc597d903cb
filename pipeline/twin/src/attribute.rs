//! An attribute of an entity: which series give it, and what follows from them.

use std::sync::Arc;

use flyball_model::UnixNanos;

use crate::cell::{ALIVE_WITHIN, Cell};
use crate::mapping::{AttributeRule, Combine, Formula, Number, Take};

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Word(Arc<str>),
}

/// What an attribute is now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Current<'a> {
    pub(crate) value: Value,
    pub(crate) unit: &'a str,
    pub(crate) time: UnixNanos,
}

/// The series that one rule takes for one attribute.
#[derive(Debug)]
pub(crate) struct Source {
    /// The rule's place in the mapping; a lower one wins.
    pub(crate) rule: u32,
    pub(crate) unit: Arc<str>,
    pub(crate) members: Vec<Member>,
}

/// One series of a source.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) cell: u32,
    /// The label's value, for [`Formula::Word`].
    pub(crate) word: Option<Arc<str>>,
}

/// What the sources of one attribute, sorted by rule, say together: the first rule whose series are alive wins.
pub(crate) fn current<'a>(sources: &'a [Source], rules: &[AttributeRule], cells: &[Cell]) -> Option<Current<'a>> {
    let said: Vec<_> = sources
        .iter()
        .filter_map(|source| {
            let (value, time) = evaluate(&rules[source.rule as usize].formula, &source.members, cells)?;
            Some(Current { value, unit: &source.unit, time })
        })
        .collect();
    let newest = said.iter().map(|current| current.time).max()?;
    said.into_iter().find(|current| newest.since(current.time) <= ALIVE_WITHIN)
}

fn evaluate(formula: &Formula, members: &[Member], cells: &[Cell]) -> Option<(Value, UnixNanos)> {
    let newest = members.iter().filter_map(|member| cells[member.cell as usize].time()).max()?;
    let alive = members.iter().filter_map(|member| {
        let cell = &cells[member.cell as usize];
        let time = cell.time().filter(|&time| newest.since(time) <= ALIVE_WITHIN)?;
        Some((member, cell, time))
    });
    match formula {
        Formula::Number(number) => {
            let taken = alive.filter_map(|(_, cell, time)| {
                let value = match number.take {
                    Take::Value => cell.value(),
                    Take::Rate => cell.rate(),
                };
                Some((value?, time))
            });
            let (value, time) = combine(number.combine, taken)?;
            Some((Value::Number(shape(number, value)), time))
        }
        Formula::Word(_) => alive
            .filter(|(_, cell, _)| cell.value().is_some_and(|value| value > 0.0))
            .filter_map(|(member, _, time)| Some((time, member.word.as_ref()?)))
            .max()
            .map(|(time, word)| (Value::Word(Arc::clone(word)), time)),
        Formula::Words(words) => {
            let (value, time) =
                combine(Combine::Latest, alive.filter_map(|(_, cell, time)| Some((cell.value()?, time))))?;
            let word = words.iter().find(|(number, _)| *number == value).map_or("unknown", |(_, word)| word);
            Some((Value::Word(word.into()), time))
        }
    }
}

fn shape(number: &Number, value: f64) -> f64 {
    let value = number.offset + number.scale * value;
    // Not f64::clamp alone: NaN stays NaN, and -0.0 would print as a negative nothing.
    number.clamp.map_or(value, |(low, high)| value.clamp(low, high)) + 0.0
}

/// The combined value and the newest time; `None` when nothing is there.
///
/// The order of the series must not matter, so equal times are decided by the larger value, and sums are made from
/// the smallest up.
fn combine(how: Combine, taken: impl Iterator<Item = (f64, UnixNanos)>) -> Option<(f64, UnixNanos)> {
    let mut taken: Vec<_> = taken.collect();
    taken.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let time = taken.iter().map(|&(_, time)| time).max()?;
    let values = taken.iter().map(|&(value, _)| value);
    let count = taken.len() as f64;
    let value = match how {
        Combine::Latest => taken.iter().max_by_key(|&&(_, time)| time)?.0,
        Combine::Sum => values.sum(),
        Combine::Avg => values.sum::<f64>() / count,
        Combine::Min => values.reduce(f64::min)?,
        Combine::Max => values.reduce(f64::max)?,
        Combine::Count => count,
    };
    Some((value, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: Number, points: &[&[(i64, f64)]], expected: Option<(f64, i64)>) {
        let mut cells = Vec::new();
        let mut members = Vec::new();
        for series in points {
            let mut cell = Cell::EMPTY;
            series.iter().for_each(|&(second, value)| cell.put(second * 1_000_000_000, value));
            members.push(Member { cell: cells.len() as u32, word: None });
            cells.push(cell);
        }
        let expected = expected.map(|(value, second)| (Value::Number(value), UnixNanos::from_secs(second)));
        assert_eq!(evaluate(&Formula::Number(number), &members, &cells), expected, "{number:?}");
    }

    const PLAIN: Number = Number { take: Take::Value, combine: Combine::Latest, scale: 1.0, offset: 0.0, clamp: None };

    #[test]
    fn series_are_combined_as_the_rule_says() {
        let points: &[&[(i64, f64)]] = &[&[(10, 2.0)], &[(20, 4.0)], &[(15, 6.0)], &[]];
        for (combine, value) in [
            (Combine::Latest, 4.0),
            (Combine::Sum, 12.0),
            (Combine::Avg, 4.0),
            (Combine::Min, 2.0),
            (Combine::Max, 6.0),
            (Combine::Count, 3.0),
        ] {
            check(Number { combine, ..PLAIN }, points, Some((value, 20)));
        }
        check(PLAIN, &[&[], &[]], None);
    }

    #[test]
    fn series_that_ended_long_ago_no_longer_count() {
        check(Number { combine: Combine::Sum, ..PLAIN }, &[&[(0, 5.0)], &[(301, 1.0)]], Some((1.0, 301)));
        check(Number { combine: Combine::Sum, ..PLAIN }, &[&[(0, 5.0)], &[(300, 1.0)]], Some((6.0, 300)));
    }

    #[test]
    fn idle_time_becomes_a_usage_between_zero_and_one() {
        let usage =
            Number { take: Take::Rate, combine: Combine::Avg, scale: -1.0, offset: 1.0, clamp: Some((0.0, 1.0)) };
        check(usage, &[&[(0, 100.0), (10, 105.0)], &[(0, 100.0), (10, 110.0)]], Some((0.25, 10)));
        check(usage, &[&[(0, 100.0), (10, 110.5)]], Some((0.0, 10)));
        check(usage, &[&[(0, 100.0)]], None);
    }
}
