//! Which rules read what others record.

use std::collections::{HashMap, HashSet};

use super::reads::{key, reads};
use crate::check::codes::CIRCLE;
use crate::definition::{Problem, Rule, RuleSet};

/// For each rule those whose metrics it reads, as places in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies(Vec<Vec<usize>>);

impl Dependencies {
    /// Of these rules. `metrics` and `power` count for none: a rule that reads them sees what was recorded up to then.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        let mut recorded: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, rule) in rules.iter().enumerate() {
            if let Some(record) = &rule.record {
                recorded.entry(key(&record.metric)).or_default().push(place);
            }
        }
        // Most sets record nothing, and need no parsing.
        if recorded.is_empty() {
            return Self(vec![Vec::new(); rules.len()]);
        }
        let of = |rule: &&Rule| {
            let mut of: Vec<usize> =
                reads(rule.sql.as_str()).iter().filter_map(|name| recorded.get(name)).flatten().copied().collect();
            // The rules of one objective read nothing of another's, though their metrics are the same.
            of.retain(|&before| match (&rule.slo, &rules[before].slo) {
                (Some(one), Some(other)) => one.name == other.name,
                _ => true,
            });
            of.sort_unstable();
            of
        };
        Self(rules.iter().map(of).collect())
    }

    /// The rules whose metrics this one reads.
    pub fn before(&self, place: usize) -> &[usize] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }

    /// All places, each after those that it depends on, and else as they were. Of a circle, which a check refuses, some stand before.
    pub fn order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.0.len());
        let mut seen = vec![false; self.0.len()];
        for start in 0..self.0.len() {
            // Not by recursion: a chain may be as long as the list.
            let mut path = vec![(start, 0)];
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            while let Some((place, next)) = path.last_mut() {
                match self.0[*place].get(*next) {
                    Some(&before) => {
                        *next += 1;
                        if !std::mem::replace(&mut seen[before], true) {
                            path.push((before, 0));
                        }
                    }
                    None => {
                        order.push(*place);
                        path.pop();
                    }
                }
            }
        }
        order
    }

    /// A way from a rule back to itself, for each that has one; every rule is in one circle at most.
    fn circles(&self) -> Vec<Vec<usize>> {
        let mut done: HashSet<usize> = HashSet::new();
        let mut circles = Vec::new();
        for start in 0..self.0.len() {
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            let mut on_path: HashSet<usize> = HashSet::from([start]);
            if done.contains(&start) {
                continue;
            }
            while let Some((place, next)) = path.last_mut() {
                match self.0[*place].get(*next) {
                    Some(&before) => {
                        *next += 1;
                        if on_path.contains(&before) {
                            let from = path.iter().position(|(place, _)| *place == before).unwrap_or(0);
                            circles.push(path[from..].iter().map(|(place, _)| *place).collect());
                        } else if !done.contains(&before) {
                            on_path.insert(before);
                            path.push((before, 0));
                        }
                    }
                    None => {
                        done.insert(*place);
                        on_path.remove(place);
                        path.pop();
                    }
                }
            }
        }
        circles
    }
}

/// The metrics that some rules record, to be asked for by [`Recorded::has`].
#[derive(Debug, Default)]
pub(crate) struct Recorded(HashSet<String>);

impl Recorded {
    pub(crate) fn by(set: &RuleSet) -> Self {
        Self(set.rules().filter_map(|(_, rule)| Some(key(&rule.record.as_ref()?.metric))).collect())
    }

    /// Whether a table of this name, as a query writes it, is one of them.
    pub(crate) fn has(&self, table: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&key(table))
    }
}

/// Recording rules that read, by way of others or by themselves, what they record: each circle once, spelled out.
pub fn circles(set: &RuleSet) -> Vec<Problem> {
    let rules: Vec<&Rule> = set.rules().map(|(_, rule)| rule).collect();
    let circles = Dependencies::of(rules.iter().copied()).circles();
    circles
        .into_iter()
        .map(|circle| {
            let first = rules[circle[0]];
            let problem = |message: String| {
                Problem::error(first.place.clone(), message)
                    .code(CIRCLE)
                    .hint("a recording rule reads what is received, or what others record before it")
            };
            if circle.len() == 1 {
                return problem(format!("'{}' reads the metric that it records", first.name));
            }
            let way: Vec<_> = circle.iter().skip(1).map(|&place| rules[place]).collect();
            let way: Vec<_> = way.iter().map(|rule| format!("'{}' ({})", rule.name, rule.place)).collect();
            problem(format!(
                "recording rules go in a circle: '{0}' reads {1}, which reads '{0}'",
                first.name,
                way.join(", which reads ")
            ))
        })
        .collect()
}
