//! `flyball.slos`: what is left of each objective's budget, a row a group.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field};
use flyball_model::event::Identity;
use flyball_rules::definition::Slo;
use flyball_rules::evaluate::Row;

use super::{map, maps, text, texts};
use crate::board::RuleBoard;

/// The label of a burn rate that says of which window it is.
const RANGE: &str = "range";
/// The windows of the columns `burn_…`.
const RANGES: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// A row of the table.
struct Group {
    slo: Arc<Slo>,
    labels: Identity,
    /// Over the window of the budget.
    budget: Option<Row>,
    burns: [Option<f64>; RANGES.len()],
}

impl Group {
    fn new(slo: &Arc<Slo>, labels: Identity) -> Self {
        Self { slo: Arc::clone(slo), labels, budget: None, burns: [None; RANGES.len()] }
    }

    fn of_window(&self, column: &str) -> Option<f64> {
        self.budget.as_ref()?.values.get(column).copied()
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.of_window("good")? / self.of_window("total")?)
    }
}

pub(super) fn fields() -> Vec<Field> {
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let numbers = ["good", "total", "ratio", "budget_remaining"].map(number);
    let burns = RANGES.map(|range| number(&format!("burn_{range}")));
    let first = vec![text("slo"), map("labels"), number("objective"), text("window")];
    first.into_iter().chain(numbers).chain(burns).collect()
}

pub(super) fn columns(board: &RuleBoard) -> Vec<ArrayRef> {
    let groups = groups(board);
    let number = |value: &dyn Fn(&Group) -> Option<f64>| -> ArrayRef {
        Arc::new(groups.iter().map(value).collect::<Float64Array>())
    };
    let windows: Vec<String> = groups.iter().map(|group| group.slo.range()).collect();
    let mut columns = vec![
        texts(groups.iter().map(|group| group.slo.name.as_str())),
        maps(groups.iter().map(|group| group.labels.clone())),
        number(&|group| Some(group.slo.objective)),
        texts(windows.iter().map(String::as_str)),
        number(&|group| group.of_window("good")),
        number(&|group| group.of_window("total")),
        number(&Group::ratio),
        number(&|group| Some(1.0 - group.of_window("burn")?)),
    ];
    columns.extend((0..RANGES.len()).map(|place| number(&|group| group.burns[place])));
    columns
}

/// From the latest burn rates; an objective of which there are none yet has a row too.
fn groups(board: &RuleBoard) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in board.rows().iter().filter(|entry| entry.rule.is_burn_rate()) {
        let Some(slo) = &entry.rule.slo else { continue };
        let first = groups.len();
        for row in entry.recorded.iter().flat_map(|recorded| recorded.rows.iter()) {
            let mut labels = row.identity.clone();
            let Some(range) = labels.remove(RANGE) else { continue };
            let known = groups[first..].iter().position(|group| group.labels == labels);
            let place = known.map_or(groups.len(), |place| first + place);
            if known.is_none() {
                groups.push(Group::new(slo, labels));
            }
            let group = &mut groups[place];
            if let Some(column) = RANGES.iter().position(|of| *of == range) {
                group.burns[column] = row.values.get("burn").copied();
            }
            if range == slo.range() {
                group.budget = Some(row.clone());
            }
        }
        if groups.len() == first {
            groups.push(Group::new(slo, Identity::new()));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    use flyball_rules::definition::from_str;
    use flyball_rules::incremental::Way;
    use flyball_rules::lifecycle::RuleState;

    use super::*;
    use crate::board::RuleEntry;
    use crate::recording::Recorded;

    #[test]
    fn each_group_of_an_objective_has_a_row_and_one_without_events_too() {
        let of = |name: &str| {
            let count = "'SELECT service, value FROM increase(m, INTERVAL ''{{ window }}'')'";
            format!("  - {{rule: {name}, slo: {{objective: 99, good: {count}, total: {count}}}}}\n")
        };
        let file = from_str("f", &format!("groups:\n- name: g\n  rules:\n{}{}", of("A"), of("B"))).expect("good rules");
        let rules = file.groups.iter().flat_map(|group| &group.rules).filter(|rule| rule.is_burn_rate());
        let row = |range: &str, good: f64, burn: f64| Row {
            identity: [("range", range), ("service", "web")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            values: [("good", good), ("total", 100.0), ("burn", burn)]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            ..Row::default()
        };
        let rows: Arc<[Row]> = [row("5m", 90.0, 10.0), row("30d", 99.5, 0.5)].into();
        let board = RuleBoard::default();
        let entries = rules.zip([rows, Arc::default()]).map(|(rule, rows)| {
            let recorded = Recorded { points: 0, series: 0, rows };
            RuleEntry::new(
                &Arc::new(rule.clone()),
                Duration::from_secs(60),
                &RuleState::new(rule),
                Way::Unknown,
                Some(recorded),
            )
        });
        board.replace(entries.collect());
        let columns = columns(&board);
        assert_eq!(columns.len(), fields().len());
        assert_eq!(columns[0].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["A", "B"]);
        let found: Vec<Option<f64>> =
            columns[4..10].iter().map(|column| column.as_primitive::<Float64Type>().iter().next().flatten()).collect();
        assert_eq!(found, [Some(99.5), Some(100.0), Some(0.995), Some(0.5), Some(10.0), None]);
    }
}
