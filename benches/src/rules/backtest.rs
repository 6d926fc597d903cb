//! Playing a day back: how many times faster than real time are a hundred rules evaluated over a stored day?

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args as Arguments;
use flyball_bench::load::Load;
use flyball_bench::order::Order;
use flyball_bench::plan::Plan;
use flyball_bench::series::METRICS;

use super::{history, mix};
use crate::args::Args;
use crate::client::Endpoint;
use crate::goals::verdict;
use crate::targets::{self, Setup, Target};
use crate::{clock, report};

/// At least this many times real time.
const TIMES: f64 = 1_000.0;

/// How long.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Hours of history. The series are a tenth of --series.
    #[arg(long, default_value_t = 24.0)]
    hours: f64,
    /// Rules of the mix.
    #[arg(long, default_value_t = 100)]
    count: usize,
}

/// Makes the history, plays it back and prints how long that took; returns what is not as it should be.
pub(super) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dir = tempfile::Builder::new().prefix("flyball-bench-").tempdir()?;
    let data = dir.path().join("data");
    let plan = history::plan(args.series / 10, (options.hours * 3_600.0) as u64, Order::Steady);
    let setup = Setup { data_dir: Some(data.clone()), ..Setup::default() };
    let running =
        targets::start(Target::Flyball, &plan, args, &setup)?.context("flyball is a file, or this was an error")?;
    let endpoint = Arc::new(Endpoint::new(Load::RemoteWrite, Target::Flyball, running.address));
    let filled = runtime.block_on(history::fill(&endpoint, &plan));
    running.process.explain(filled)?;
    running.process.stop()?;

    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, mix::flyball(options.count).text)?;
    clock::note("  playing it back");
    let wall = backtest(&args.flyball, (&rules, options.count), &data, &plan)?;
    let judged =
        args.gives_all_of_the_machine() && (plan.series, options.count) == (10_000, 100) && options.hours >= 24.0;
    std::io::stdout().write_all(table(&plan, options.count, wall, judged).as_bytes())?;
    Ok(Vec::new())
}

/// From the start of the program to its end.
fn backtest(program: &Path, (file, rules): (&Path, usize), data: &Path, plan: &Plan) -> Result<Duration> {
    let [from, to] = [plan.at_millis(0), plan.last_at_millis].map(|millis| (millis / 1_000).to_string());
    let mut command = Command::new(program);
    command.args(["rules", "backtest"]).arg(file).arg("--data-dir").arg(data).args(["--from", &from, "--to", &to]);
    let start = clock::now();
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?}"))?;
    let wall = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    let played = text.trim_end().lines().last().unwrap_or_default();
    clock::note(&format!("  {played}"));
    // Fewer rules don't read all metrics.
    let all = rules < METRICS || played.contains(&format!(" of {} points ", plan.points()));
    ensure!(all, "{} points were sent, but played back: {played}", plan.points());
    Ok(wall)
}

/// Seconds from the first point to the last.
fn played_seconds(plan: &Plan) -> f64 {
    (plan.last_at_millis - plan.at_millis(0)) as f64 / 1e3
}

fn table(plan: &Plan, rules: usize, wall: Duration, judged: bool) -> String {
    let (played, wall) = (played_seconds(plan), wall.as_secs_f64());
    let times = played / wall;
    format!(
        "{rules} rules played back over {:.1} h of {} series at {} s\n\n{}\
         | {} | {wall:.1} | {times:.0} | >= {TIMES}: {} |\n",
        played / 3_600.0,
        plan.series,
        history::STEP_MILLIS / 1_000,
        report::head(&["points", "wall s", "times real time", "goal"]),
        plan.points(),
        verdict(judged, times >= TIMES)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_in_a_minute_is_1440_times_real_time() {
        let mut plan = history::plan(10_000, 24 * 3_600, Order::Steady);
        assert_eq!((plan.points(), played_seconds(&plan)), (57_600_000, 86_385.0));
        plan.measured += 1;
        let row = |seconds| table(&plan, 100, Duration::from_secs(seconds), true);
        assert!(row(60).ends_with("| 57610000 | 60.0 | 1440 | >= 1000: met |\n"), "{}", row(60));
        assert!(row(600).ends_with("| 57610000 | 600.0 | 144 | >= 1000: missed |\n"));
    }
}
