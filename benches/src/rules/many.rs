//! Ingest beside many rules: the same load with 0, 100 and 10,000 of them, one after the other.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args as Arguments;
use flyball_bench::load::Load;

use super::history::STEP_MILLIS;
use super::mix;
use crate::args::Args;
use crate::drive::{self, Bodies, Measured};
use crate::goals::verdict;
use crate::targets::{Setup, Target};
use crate::{clock, report};

/// The goals are about so many rules, next to [`FEW`], over so many series.
const MANY: usize = 10_000;
const FEW: usize = 100;
const SERIES: usize = 1_000_000;

/// At most this times the CPU that ingest takes beside [`FEW`] rules.
const CPU_RATIO: f64 = 2.0;

/// At most so much more memory than without rules, in megabytes.
const MEMORY_MEGABYTES: f64 = 300.0;

/// How many.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Numbers of rules, each measured on its own. The series are ten times --series.
    #[arg(long, value_delimiter = ',', default_values_t = [0, FEW, MANY])]
    counts: Vec<usize>,
}

/// What ingest cost beside so many rules.
struct Row {
    rules: usize,
    measured: Measured,
}

/// Measures every number of rules and prints the table; returns what could not be measured.
pub(super) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut plan = args.plan(Load::RemoteWriteTenfold, clock::unix_millis());
    plan.step_millis = STEP_MILLIS;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for &rules in &options.counts {
        clock::note(&format!("{rules} rules: {} rounds of {}", plan.rounds(), plan.series));
        let setup = Setup::with(mix::flyball(rules));
        match drive::measure(&runtime, Target::Flyball, &plan, &Bodies::OfNow, args, &setup) {
            Ok(measured) => {
                let measured = measured.context("flyball is a file, or this was an error")?;
                clock::note(&format!("  {measured}"));
                rows.push(Row { rules, measured });
            }
            Err(error) => {
                clock::note(&format!("  failed: {error:#}"));
                failed.push(format!("{rules} rules"));
            }
        }
    }
    let judged = args.gives_all_of_the_machine() && plan.series == SERIES && args.is_of_default_length_and_order();
    let title = format!(
        "remote write 1.0 of {} series at {} s, {} + {} rounds, beside rules of {} signatures",
        plan.series,
        STEP_MILLIS / 1_000,
        plan.warm_up,
        plan.measured,
        mix::SIGNATURES
    );
    std::io::stdout().write_all(table(&title, &rows, judged).as_bytes())?;
    Ok(failed)
}

fn table(title: &str, rows: &[Row], judged: bool) -> String {
    let of = |rules: usize| rows.iter().find(|row| row.rules == rules).map(|row| &row.measured);
    let mut text = format!(
        "{title}\n\n{}",
        report::head(&[
            "rules",
            "CPU s per million points",
            "times that of 100 rules",
            "peak MB",
            "MB more than without rules",
            "goal"
        ])
    );
    for Row { rules, measured } in rows {
        let ratio = of(FEW).map(|few| measured.cpu_per_million() / few.cpu_per_million());
        let more = of(0).map(|none| measured.peak_megabytes - none.peak_megabytes);
        let mut goals = Vec::new();
        if *rules == MANY {
            goals.extend(ratio.map(|is| format!("<= {CPU_RATIO} times: {}", verdict(judged, is <= CPU_RATIO))));
            goals.extend(
                more.map(|is| format!("<= {MEMORY_MEGABYTES} MB more: {}", verdict(judged, is <= MEMORY_MEGABYTES))),
            );
        }
        text.push_str(&format!(
            "| {rules} | {:.3} | {} | {:.0} | {} | {} |\n",
            measured.cpu_per_million(),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            measured.peak_megabytes,
            more.map_or_else(String::new, |more| format!("{more:.0}")),
            goals.join("; ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_rules_are_held_against_a_hundred_and_against_none() {
        let row = |rules, cpu_seconds, peak_megabytes| Row {
            rules,
            measured: Measured {
                points: 1_000_000,
                cpu_seconds,
                wall: Duration::from_secs(1),
                peak_megabytes,
                waits: 0,
                own_cpu_seconds: 0.0,
            },
        };
        let rows = [row(0, 0.2, 300.0), row(100, 0.25, 350.0), row(10_000, 0.6, 500.0)];
        let text = table("title", &rows, true);
        let last = text.lines().last().expect("a row");
        assert_eq!(last, "| 10000 | 0.600 | 2.40 | 500 | 200 | <= 2 times: missed; <= 300 MB more: met |");
        let quick = table("title", &rows[2..], false);
        assert!(quick.ends_with("| 10000 | 0.600 |  | 500 |  |  |\n"), "{quick}");
        assert!(table("title", &rows, false).contains("not judged"));
    }
}
