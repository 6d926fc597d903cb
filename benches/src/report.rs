//! The one table.

use std::io::Write;

use anyhow::Result;

use crate::args::{Args, Load, Target};
use crate::drive::Measured;

/// Rows in the order they were measured.
pub(crate) struct Report {
    title: String,
    rows: Vec<(Load, Target, Measured)>,
}

impl Report {
    /// An empty table for a run.
    pub(crate) fn new(args: &Args) -> Self {
        let Args { series, connections, rounds, warm_up, rules, .. } = args;
        let title = format!(
            "{series} series of 7 labels, {connections} connections, {rounds} rounds after {warm_up} of warm-up, {rules} rules in flyball"
        );
        Self { title, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, load: Load, target: Target, measured: Measured) {
        self.rows.push((load, target, measured));
    }

    /// Writes it to stdout, as a table of Markdown.
    pub(crate) fn print(&self) -> Result<()> {
        std::io::stdout().write_all(self.text().as_bytes())?;
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}\n\n| load | target | CPU s per million points | flyball is at | peak MB | points a second |\n|---|---|---|---|---|---|\n",
            self.title
        );
        for (load, target, measured) in &self.rows {
            let flyball = self.rows.iter().find(|row| row.0 == *load && row.1 == Target::Flyball);
            let ratio = flyball.map_or_else(String::new, |(_, _, flyball)| {
                format!("{:.2}", cpu_per_million(flyball) / cpu_per_million(measured))
            });
            text.push_str(&format!(
                "| {load}, batches of {} | {target} | {:.2} | {ratio} | {:.0} | {:.0} |\n",
                load.batch(),
                cpu_per_million(measured),
                measured.peak_megabytes,
                measured.points as f64 / measured.wall.as_secs_f64(),
            ));
        }
        text
    }
}

fn cpu_per_million(measured: &Measured) -> f64 {
    measured.cpu_seconds / (measured.points as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[test]
    fn the_table_gives_costs_and_flyball_s_share_of_each_peer_s() {
        let mut report = Report::new(&Args::parse_from(["flyball-bench"]));
        let measured = |cpu_seconds| Measured {
            points: 2_000_000,
            cpu_seconds,
            wall: Duration::from_secs(4),
            peak_megabytes: 100.0,
        };
        report.add(Load::RemoteWrite, Target::Flyball, measured(1.0));
        report.add(Load::RemoteWrite, Target::VictoriaMetrics, measured(4.0));
        let text = report.text();
        assert!(text.ends_with(
            "| remote write, batches of 2000 | flyball | 0.50 | 1.00 | 100 | 500000 |\n\
             | remote write, batches of 2000 | VictoriaMetrics | 2.00 | 0.25 | 100 | 500000 |\n"
        ));
    }
}
