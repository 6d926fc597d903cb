//! The one table.

use std::fmt;
use std::io::Write;

use anyhow::Result;
use flyball_bench::load::Load;
use flyball_bench::plan::Plan;

use crate::args::Args;
use crate::drive::Measured;
use crate::goals::{self, Goal};
use crate::targets::Target;

const HEAD: [&str; 7] =
    ["load", "target", "CPU s per million points", "flyball is at", "goal", "peak MB", "points a second"];

/// Rows in the order they were measured.
pub(crate) struct Report {
    title: String,
    /// Whether the run is one that the goals are about.
    judged: bool,
    rows: Vec<Row>,
}

struct Row {
    load: Load,
    name: String,
    target: Target,
    measured: Measured,
}

impl Report {
    /// An empty table for a run.
    pub(crate) fn new(args: &Args) -> Self {
        let Args { series, connections, rules, .. } = args;
        let mut title = format!(
            "{series} series of 7 labels unless a row says otherwise, {connections} connections, {rules} rules in flyball"
        );
        if args.shuffle_labels {
            title.push_str(", labels shuffled");
        }
        if let Some(cores) = &args.cores {
            title.push_str(&format!(", targets on CPU {cores}"));
        }
        Self { title, judged: goals::are_about(args), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, plan: &Plan, target: Target, measured: Measured) {
        let Plan { load, warm_up, measured: rounds, order, .. } = plan;
        let mut name = format!("{load}, batches of {}, {warm_up} + {rounds} rounds", load.protocol().batch());
        if *order != load.order() {
            name.push_str(&format!(", order: {order:?}").to_lowercase());
        }
        self.rows.push(Row { load: *load, name, target, measured });
    }

    /// Writes it to stdout, as a table of Markdown.
    pub(crate) fn print(&self) -> Result<()> {
        std::io::stdout().write_all(self.text().as_bytes())?;
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n{}", self.title, head(&HEAD));
        for row in &self.rows {
            let Row { load, name, target, measured } = row;
            let ratio = self.cost(*load, Target::Flyball).map(|flyball| flyball / measured.cpu_per_million());
            let goals: Vec<_> = goals::of(*load, *target).filter_map(|goal| self.judge(goal, row, ratio)).collect();
            text.push_str(&format!(
                "| {name} | {target} | {:.2} | {} | {} | {:.0} | {:.0} |\n",
                measured.cpu_per_million(),
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                goals.join("; "),
                measured.peak_megabytes,
                measured.points_per_second(),
            ));
        }
        text
    }

    /// What is wanted of a row and whether it is so; nothing where the row it is compared with was not measured.
    fn judge(&self, goal: Goal, row: &Row, ratio: Option<f64>) -> Option<String> {
        let verdict = |is: f64, wanted: f64| goals::verdict(self.judged, is <= wanted);
        match goal {
            Goal::Ratio(_, wanted) => Some(format!("<= {wanted:.2}: {}", verdict(ratio?, wanted))),
            Goal::RatioToBase(wanted) => {
                let base = row.load.base()?;
                let is = row.measured.cpu_per_million() / self.cost(base, row.target)?;
                Some(format!("<= {wanted} times {base}: {} ({is:.2})", verdict(is, wanted)))
            }
            Goal::PeakMegabytes(wanted) => {
                Some(format!("peak <= {wanted} MB: {}", verdict(row.measured.peak_megabytes, wanted)))
            }
        }
    }

    fn cost(&self, load: Load, target: Target) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.load == load && row.target == target)?;
        Some(row.measured.cpu_per_million())
    }
}

/// The first two lines of a table of Markdown.
pub(crate) fn head(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

/// Of each share the nearest of the values; 0 where there are none.
pub(crate) fn quantiles<const N: usize>(values: impl IntoIterator<Item = f64>, shares: [f64; N]) -> [f64; N] {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    shares.map(|share| values.get((last as f64 * share).round() as usize).copied().unwrap_or_default())
}

impl Measured {
    /// CPU seconds that a million points cost.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds / (self.points as f64 / 1e6)
    }

    /// Points in a second of wall time.
    pub(crate) fn points_per_second(&self) -> f64 {
        self.points as f64 / self.wall.as_secs_f64()
    }
}

/// For the note on the way.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} CPU s per million points, {:.0} points a second, peak {:.0} MB, told to wait {} times; \
             the generator spent {:.2} CPU s per million points",
            self.cpu_per_million(),
            self.points_per_second(),
            self.peak_megabytes,
            self.waits,
            self.own_cpu_seconds / (self.points as f64 / 1e6),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    fn add(report: &mut Report, load: Load, target: Target, cpu_seconds: f64) {
        let plan = Args::parse_from(["flyball-bench"]).plan(load, 0);
        let measured = Measured {
            points: 2_000_000,
            cpu_seconds,
            wall: Duration::from_secs(4),
            peak_megabytes: 170.0,
            waits: 0,
            own_cpu_seconds: 0.1,
        };
        report.add(&plan, target, measured);
    }

    #[test]
    fn the_table_gives_costs_and_flyball_s_share_of_each_peer_s() {
        let mut report = Report::new(&Args::parse_from(["flyball-bench"]));
        add(&mut report, Load::RemoteWrite, Target::Flyball, 1.0);
        add(&mut report, Load::RemoteWrite, Target::VictoriaMetrics, 4.0);
        add(&mut report, Load::RemoteWriteShuffled, Target::Flyball, 1.5);
        let text = report.text();
        let rows: Vec<_> = text.lines().rev().take(3).collect();
        assert_eq!(
            rows,
            [
                "| remote write 1.0, shuffled, batches of 2000, 5 + 30 rounds | flyball | 0.75 | 1.00 | <= 2 times remote write 1.0: met (1.50) | 170 | 500000 |",
                "| remote write 1.0, batches of 2000, 5 + 60 rounds | VictoriaMetrics | 2.00 | 0.25 | <= 0.20: missed | 170 | 500000 |",
                "| remote write 1.0, batches of 2000, 5 + 60 rounds | flyball | 0.50 | 1.00 | peak <= 180 MB: met | 170 | 500000 |",
            ]
        );
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut report = Report::new(&Args::parse_from(["flyball-bench"]));
        add(&mut report, Load::RemoteWrite, Target::VictoriaMetrics, 4.0);
        assert!(report.text().ends_with("| VictoriaMetrics | 2.00 |  |  | 170 | 500000 |\n"));
    }
}
