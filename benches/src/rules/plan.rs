//! A rule that is run as a plan: how long does it take over an hour of many series?

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args as Arguments;
use flyball_bench::load::Load;
use flyball_bench::order::Order;
use flyball_bench::series::metric;

use super::history;
use crate::args::Args;
use crate::client::Endpoint;
use crate::goals::verdict;
use crate::targets::{self, RuleFile, Setup, Target};
use crate::{account, clock, report};

/// An evaluation takes less than this.
const SECONDS: f64 = 1.0;

/// Sent beyond the hour, which goes by while all of it is sent.
const SPARE_SECONDS: u64 = 300;

/// It is looked at this often whether the rule was evaluated again.
const LOOK: Duration = Duration::from_millis(50);

/// How long the evaluations may take altogether.
const PATIENCE: Duration = Duration::from_secs(600);

/// Over how much, and how often.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Minutes that the rule looks back on; all series of --series are of one metric.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Evaluations that are timed.
    #[arg(long, default_value_t = 10)]
    evaluations: usize,
}

/// Fills a flyball, waits for the evaluations and prints how long they took; returns what is not as it should be.
pub(super) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plan = history::plan(args.series, options.minutes * 60 + SPARE_SECONDS, Order::OneMetric);
    let running = targets::start(Target::Flyball, &plan, args, &Setup::with(rule(options.minutes)))?
        .context("flyball is a file, or this was an error")?;
    let api = running.api.context("flyball has an API")?;
    let done = runtime.block_on(async {
        let endpoint = Arc::new(Endpoint::new(Load::RemoteWrite, Target::Flyball, running.address));
        history::fill(&endpoint, &plan).await?;
        evaluations(api, options).await
    });
    let seconds = running.process.explain(done)?;
    let judged = args.gives_all_of_the_machine() && (args.series, options.minutes) == (100_000, 60);
    std::io::stdout().write_all(table(args.series, options.minutes, &seconds, judged).as_bytes())?;
    Ok(Vec::new())
}

/// A window that has an end is not kept from point to point.
fn rule(minutes: u64) -> RuleFile {
    let text = format!(
        "groups:\n- name: bench\n  every: 1s\n  rules:\n  - rule: Plan\n    sql: >\n      \
         SELECT region, approx_percentile_cont(value, 0.99) AS p99 FROM {}\n      \
         WHERE time > now() - INTERVAL '{minutes} minutes' AND time < now() + INTERVAL '1 hour' GROUP BY region\n      \
         HAVING approx_percentile_cont(value, 0.99) > 1000000000000\n",
        metric(0)
    );
    RuleFile { text, rules: 1 }
}

/// How long so many evaluations took that began when all was stored.
async fn evaluations(api: SocketAddr, options: &Options) -> Result<Vec<f64>> {
    let minutes = options.minutes;
    let sql = format!("SELECT count(*) FROM {} WHERE time > now() - INTERVAL '{minutes} minutes'", metric(0));
    let points = account::query(api, &sql).await?;
    clock::note(&format!("  the rule looks back on {} points", points.first().context("an aggregate has a row")?[0]));
    let sql = "SELECT evaluations, last_duration_us, errors, mode, reason, last_error FROM flyball.rules";
    let (mut seconds, mut seen, start) = (Vec::new(), Vec::new(), clock::now());
    while seconds.len() < options.evaluations {
        ensure!(start.elapsed() < PATIENCE, "only {} evaluations in {PATIENCE:?}", seconds.len());
        let row = account::query(api, sql).await?.into_iter().next().context("there is one rule")?;
        ensure!(row[3] == "plan", "the rule is no plan: {row}");
        ensure!(row[2] == 0, "the rule failed: {}", row[5]);
        let evaluations = row[0].as_u64().context("a count")?;
        if seen.last() != Some(&evaluations) {
            seen.push(evaluations);
            match seen.len() {
                1 => clock::note(&format!("  it is a plan: {}", row[4])),
                // It may have begun before all was stored.
                2 => {}
                _ => seconds.push(row[1].as_f64().context("a duration")? / 1e6),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(seconds)
}

fn table(series: usize, minutes: u64, seconds: &[f64], judged: bool) -> String {
    let [least, median, most] = report::quantiles(seconds.iter().copied(), [0.0, 0.5, 1.0]);
    format!(
        "a rule that is run as a plan, over {minutes} minutes of {series} series at {} s\n\n{}\
         | {} | {least:.3} | {median:.3} | {most:.3} | < {SECONDS} s: {} |\n",
        history::STEP_MILLIS / 1_000,
        report::head(&["evaluations", "least s", "median s", "most s", "goal"]),
        seconds.len(),
        verdict(judged, most < SECONDS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_evaluation_is_held_against_the_goal() {
        let text = table(100_000, 60, &[0.4, 0.5, 1.2], true);
        assert!(text.ends_with("| 3 | 0.400 | 0.500 | 1.200 | < 1 s: missed |\n"), "{text}");
        assert!(table(100_000, 60, &[0.4], true).ends_with("| 1 | 0.400 | 0.400 | 0.400 | < 1 s: met |\n"));
        assert!(table(100, 60, &[0.4], false).contains("not judged"));
    }
}
