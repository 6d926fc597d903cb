//! How a rule went, evaluation by evaluation, as a small chart.
//!
//! | character | at that evaluation |
//! |---|---|
//! | `.` | inactive |
//! | `p` | pending |
//! | `F` | firing |
//! | `N` | without data |
//! | `r` | it resolved |
//! | `-` | the rule waits for the first point of a table |
//! | `E` | the rule could not be evaluated |

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::event::{Identity, State, identity_text};
use flyball_rules::definition::format_duration;
use flyball_rules::lifecycle::{Health, RuleState};

/// Characters of a chart. Where there are more evaluations, each character stands for several.
const WIDTH: usize = 72;

/// Instances that are drawn, the first that came.
const ROWS_MAX: usize = 10;

/// What a character that stands for several evaluations shows, the first of these that is among them.
const STRONGEST: [char; 7] = ['r', 'E', 'F', 'N', 'p', '-', '.'];

/// A rule's evaluations.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// The rule.
    pub rule: String,
    at: Vec<Duration>,
    /// Of the rule itself: `.`, `-` or `E`.
    own: String,
    instances: BTreeMap<Identity, String>,
    has_others: bool,
}

impl Timeline {
    pub(crate) fn new(rule: &str) -> Self {
        Self { rule: rule.to_owned(), ..Self::default() }
    }

    /// How often the rule was evaluated.
    pub fn evaluations(&self) -> usize {
        self.at.len()
    }

    /// Notes the state after an evaluation, in which what `resolved` names has ended.
    pub(crate) fn note<'a>(
        &mut self,
        at: Duration,
        state: &RuleState,
        resolved: impl IntoIterator<Item = &'a Identity>,
    ) {
        self.at.push(at);
        self.own.push(match state.health() {
            Health::Error { .. } => 'E',
            Health::Waiting { .. } => '-',
            Health::Ok | Health::Unknown => '.',
        });
        // What is held back from its beginning is as if it were not.
        for (identity, instance) in state.instances().filter(|(_, instance)| instance.told.is_some()) {
            let mark = match instance.state() {
                State::Firing => 'F',
                State::NoData => 'N',
                State::Pending | State::Resolved | State::Error => 'p',
            };
            self.mark(identity, mark);
        }
        for identity in resolved {
            self.mark(identity, 'r');
        }
        for marks in self.instances.values_mut().filter(|marks| marks.len() < self.at.len()) {
            marks.push('.');
        }
    }

    fn mark(&mut self, identity: &Identity, mark: char) {
        let before = self.at.len() - 1;
        if let Some(marks) = self.instances.get_mut(identity) {
            // It may resolve and begin anew at one evaluation: that it resolved is drawn.
            marks.truncate(before);
            marks.push(mark);
        } else if self.instances.len() < ROWS_MAX {
            self.instances.insert(identity.clone(), format!("{}{mark}", ".".repeat(before)));
        } else {
            self.has_others = true;
        }
    }

    /// The chart, line by line, with a mark under each of these times.
    pub fn chart(&self, at: &[Duration]) -> Vec<String> {
        let Some(last) = self.at.last() else { return vec![format!("{}: no evaluation", self.rule)] };
        let per = self.at.len().div_ceil(WIDTH);
        let each = if per == 1 { "each a character".to_owned() } else { format!("{per} to a character") };
        let count =
            if self.at.len() == 1 { "1 evaluation".to_owned() } else { format!("{} evaluations", self.at.len()) };
        let mut lines = vec![format!("{}: {count} until {}, {each}", self.rule, format_duration(*last))];
        let mut rows: Vec<(String, &str)> = Vec::new();
        if self.instances.is_empty() || self.own.contains(['E', '-']) {
            rows.push(("(the rule)".to_owned(), &self.own));
        }
        rows.extend(self.instances.iter().map(|(identity, marks)| (name_of(identity), marks.as_str())));
        let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        lines.extend(rows.iter().map(|(name, marks)| format!("  {name:name_width$}  {}", squeeze(marks, per))));
        if self.has_others {
            lines.push(format!("  and other instances: the first {ROWS_MAX} are drawn"));
        }
        let mut columns: Vec<(usize, Duration)> = at
            .iter()
            .filter_map(|&at| Some((self.at.partition_point(|&evaluated| evaluated <= at).checked_sub(1)? / per, at)))
            .collect();
        columns.dedup();
        lines.extend(
            columns
                .into_iter()
                .map(|(column, at)| format!("  {:name_width$}  {}^ {}", "", " ".repeat(column), format_duration(at))),
        );
        lines
    }

    /// The marks of each instance by its identity, and of the rule itself as `""`; for reports that draw by themselves.
    pub fn rows(&self) -> impl Iterator<Item = (String, &str)> {
        let instances = self.instances.iter().map(|(identity, marks)| (identity_text(identity), marks.as_str()));
        std::iter::once((String::new(), self.own.as_str())).chain(instances)
    }

    /// When the evaluations were.
    pub fn times(&self) -> &[Duration] {
        &self.at
    }
}

/// The identity, cut where it would leave no room for the chart.
fn name_of(identity: &Identity) -> String {
    const NAME_MAX: usize = 40;
    let text = identity_text(identity);
    match text.char_indices().nth(NAME_MAX) {
        _ if text.is_empty() => "{}".to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// Several evaluations to a character. Marks are ASCII.
fn squeeze(marks: &str, per: usize) -> String {
    let strongest = |marks: &[u8]| {
        let found = STRONGEST.into_iter().find(|&strong| marks.contains(&(strong as u8)));
        found.unwrap_or(' ')
    };
    marks.as_bytes().chunks(per.max(1)).map(strongest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(marks: &[(&str, &str)], every: u64) -> Timeline {
        let count = marks[0].1.len() as u64;
        Timeline {
            rule: "R".to_owned(),
            at: (0..count).map(|step| Duration::from_secs(step * every)).collect(),
            own: marks[0].1.to_owned(),
            instances: marks[1..]
                .iter()
                .map(|(host, marks)| (Identity::from([("host".to_owned(), (*host).to_owned())]), (*marks).to_owned()))
                .collect(),
            has_others: false,
        }
    }

    #[test]
    fn a_short_test_has_a_character_for_each_evaluation() {
        let timeline = timeline(&[("", "........"), ("a", "..ppFFr."), ("bb", "...ppppp")], 15);
        let at = [30, 61].map(Duration::from_secs);
        assert_eq!(
            timeline.chart(&at).join("\n"),
            "R: 8 evaluations until 1m45s, each a character\n  \
               host=a   ..ppFFr.\n  \
               host=bb  ...ppppp\n             \
               ^ 30s\n               \
               ^ 1m1s"
        );
    }

    #[test]
    fn a_long_one_is_squeezed_and_loses_no_change() {
        let marks = format!("{}pFr{}", ".".repeat(200), ".".repeat(85));
        let chart = timeline(&[("", &".".repeat(288)), ("a", &marks)], 1).chart(&[Duration::from_secs(202)]);
        assert_eq!(chart[0], "R: 288 evaluations until 4m47s, 4 to a character");
        assert_eq!(chart[1].trim_start(), format!("host=a  {}r{}", ".".repeat(50), ".".repeat(21)));
        assert_eq!(chart[2].find('^'), chart[1].find('r'));
    }

    #[test]
    fn a_rule_that_waits_or_fails_has_a_line_of_its_own() {
        assert_eq!(timeline(&[("", "--E.")], 1).chart(&[])[1], "  (the rule)  --E.");
        assert_eq!(Timeline::new("R").chart(&[]), ["R: no evaluation"]);
    }
}
