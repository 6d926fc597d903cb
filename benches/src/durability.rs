//! What the log costs: the same load with the log synced before each answer and with no log on disk, by turns.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args as Arguments;
use flyball_bench::load::Load;
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::drive::{self, Bodies};
use crate::goals::{self, verdict};
use crate::targets::{Setup, Target};
use crate::{clock, report};

/// Loads unless some are asked for: one of each way that bodies come in, packed and not.
const LOADS: [Load; 3] = [Load::RemoteWrite, Load::OtlpGrpc, Load::LineProtocol];

/// `log.durability`: the default, and what it is held against.
const DURABILITIES: [&str; 2] = ["fsync", "memory"];

/// At most this times the CPU that a point takes without.
const CPU_RATIO: f64 = 1.1;

/// Fewer pairs say nothing on a noisy machine.
const JUDGED_PAIRS_MIN: usize = 5;

/// How often.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Measurements of each. Every other pair is the other way round, so that a machine that becomes slower favours neither.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
}

/// CPU seconds per million points of each pair, in the order of [`DURABILITIES`].
struct Row {
    load: Load,
    pairs: Vec<[f64; 2]>,
}

/// Measures each load and prints the table; returns what could not be measured.
pub(crate) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for load in args.loads_or(&LOADS) {
        clock::note(&format!("{load}: {} pairs", options.pairs));
        match pairs(&runtime, load, options.pairs, args) {
            Ok(pairs) => rows.push(Row { load, pairs }),
            Err(error) => {
                clock::note(&format!("  failed: {error:#}"));
                failed.push(load.to_string());
            }
        }
    }
    std::io::stdout().write_all(table(&rows, goals::are_about(args)).as_bytes())?;
    Ok(failed)
}

fn pairs(runtime: &Runtime, load: Load, pairs: usize, args: &Args) -> Result<Vec<[f64; 2]>> {
    let measure = |durability: &str| -> Result<f64> {
        let plan = args.plan(load, clock::unix_millis());
        let config = format!("log: {{durability: {durability}}}\n");
        let setup = Setup { config, ..Setup::of(Target::Flyball, &plan, args) };
        let measured = drive::measure(runtime, Target::Flyball, &plan, &Bodies::OfNow, args, &setup)?;
        let measured = measured.context("flyball is a file, or this was an error")?;
        clock::note(&format!("  {durability}: {measured}"));
        Ok(measured.cpu_per_million())
    };
    let [synced, memory] = DURABILITIES;
    let pair = |index: usize| -> Result<[f64; 2]> {
        if index.is_multiple_of(2) {
            Ok([measure(synced)?, measure(memory)?])
        } else {
            let without = measure(memory)?;
            Ok([measure(synced)?, without])
        }
    };
    (0..pairs).map(pair).collect()
}

fn table(rows: &[Row], judged: bool) -> String {
    let mut text = report::head(&[
        "load",
        "pairs",
        "CPU s per million points, synced",
        "without a log",
        "ratio of the medians",
        "ratios of the middle half of pairs",
        "goal",
    ]);
    for Row { load, pairs } in rows {
        let [synced, without] = [0, 1].map(|of| report::quantiles(pairs.iter().map(|pair| pair[of]), [0.5])[0]);
        let [low, high] = report::quantiles(pairs.iter().map(|[with, without]| with / without), [0.25, 0.75]);
        let ratio = synced / without;
        let verdict = verdict(judged && pairs.len() >= JUDGED_PAIRS_MIN, ratio <= CPU_RATIO);
        text.push_str(&format!(
            "| {load} | {} | {synced:.3} | {without:.3} | {ratio:.2} | {low:.2} to {high:.2} | <= {CPU_RATIO:.2}: {verdict} |\n",
            pairs.len(),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_medians_are_held_against_each_other_whatever_one_pair_says() {
        let pairs = vec![[0.33, 0.30], [0.32, 0.31], [0.90, 0.29], [0.32, 0.30], [0.31, 0.32]];
        let text = table(&[Row { load: Load::RemoteWrite, pairs }], true);
        let last = text.lines().last().expect("a row");
        assert_eq!(last, "| remote write 1.0 | 5 | 0.320 | 0.300 | 1.07 | 1.03 to 1.10 | <= 1.10: met |");
        let few = table(&[Row { load: Load::OtlpGrpc, pairs: vec![[0.4, 0.2]] }], true);
        assert!(few.ends_with("| 2.00 | 2.00 to 2.00 | <= 1.10: not judged |\n"), "{few}");
    }
}
