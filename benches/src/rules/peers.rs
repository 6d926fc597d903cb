//! What a thousand rules cost flyball, Prometheus 3 and vmalert: the CPU with them less the CPU without, while series send in real time.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args as Arguments;
use flyball_bench::load::Load;
use flyball_bench::order::Order;
use tokio::runtime::Runtime;

use super::history::STEP_MILLIS;
use super::{history, mix, realtime};
use crate::args::Args;
use crate::client::{Client, Endpoint, get};
use crate::goals::verdict;
use crate::process::Process;
use crate::targets::{self, Running, Setup, Target};
use crate::{account, clock, report};

/// Flyball's rules cost at most this share of Prometheus' rules.
const SHARE: f64 = 1.0 / 20.0;

/// So much history is there at the start, so that the longest window is full.
const HISTORY_SECONDS: u64 = 360;

/// Real time before it is measured, in rounds.
const WARM_UP: usize = 2;

/// What the peers count of their rules: evaluations, those that failed, and rounds for which there was no time.
const PROMETHEUS: [&str; 3] = [
    "prometheus_rule_evaluations_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_iterations_missed_total",
];
const VMALERT: [&str; 3] =
    ["vmalert_execution_total", "vmalert_execution_errors_total", "vmalert_iteration_missed_total"];

/// How many, and how long.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Rules of the mix.
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// Minutes that are measured with rules, and again without.
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
}

/// CPU seconds a minute of one target.
struct Row {
    target: Target,
    without: f64,
    with: f64,
}

/// A target with what evaluates its rules.
struct Evaluated {
    running: Running,
    /// vmalert stands beside.
    beside: Option<(Process, SocketAddr)>,
}

/// Measures each target without and with rules and prints the table; returns what could not be measured.
pub(super) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for target in args.asked([Target::Flyball, Target::Prometheus3, Target::VictoriaMetrics]) {
        let measured = [0, options.count].map(|rules| {
            clock::note(&format!("{}: {rules} rules", name(target)));
            measure(&runtime, target, args, rules, options.minutes)
        });
        match measured {
            [Ok(Some(without)), Ok(Some(with))] => rows.push(Row { target, without, with }),
            [Ok(None), _] | [_, Ok(None)] => clock::note("  not on PATH: left out"),
            [without, with] => {
                for error in [without.err(), with.err()].into_iter().flatten() {
                    clock::note(&format!("  failed: {error:#}"));
                }
                failed.push(name(target).to_owned());
            }
        }
    }
    let judged =
        args.gives_all_of_the_machine() && (args.series, options.count) == (100_000, 1_000) && options.minutes >= 3.0;
    let title = format!(
        "{} rules of {} signatures over {} series that send every {} s",
        options.count,
        mix::SIGNATURES,
        args.series,
        STEP_MILLIS / 1_000
    );
    std::io::stdout().write_all(table(&title, &rows, judged).as_bytes())?;
    Ok(failed)
}

/// CPU seconds a minute beside so many rules; `None` where the target is not installed.
fn measure(runtime: &Runtime, target: Target, args: &Args, rules: usize, minutes: f64) -> Result<Option<f64>> {
    let Some(evaluated) = start(target, args, rules)? else { return Ok(None) };
    let Evaluated { running, .. } = &evaluated;
    let done = runtime.block_on(async {
        let endpoint = Arc::new(Endpoint::new(Load::RemoteWrite, target, running.address));
        history::fill(&endpoint, &history::plan(args.series, HISTORY_SECONDS, Order::Steady)).await?;
        if let Some(api) = running.api {
            account::rules_are_up(api).await?;
        }
        let mut client = Client::connect(endpoint).await?;
        realtime::send(&mut client, Load::RemoteWrite, args.series, WARM_UP).await?;
        let (before, start) = (evaluated.cpu_seconds()?, clock::now());
        let rounds = (minutes * 60_000.0 / STEP_MILLIS as f64).round() as usize;
        realtime::send(&mut client, Load::RemoteWrite, args.series, rounds.max(1)).await?;
        let spent = evaluated.cpu_seconds()? - before;
        clock::note(&format!(
            "  {spent:.2} CPU s in {:.0} s; {}",
            start.elapsed().as_secs_f64(),
            evaluated.rules(rules).await?
        ));
        anyhow::Ok(spent / (start.elapsed().as_secs_f64() / 60.0))
    });
    running.process.explain(done).map(Some)
}

fn start(target: Target, args: &Args, rules: usize) -> Result<Option<Evaluated>> {
    let plan = history::plan(args.series, 0, Order::Steady);
    let interval = STEP_MILLIS / 1_000;
    let setup = match target {
        Target::Flyball => Setup::with(mix::flyball(rules)),
        Target::Prometheus3 => Setup {
            config: format!("global: {{evaluation_interval: {interval}s}}\n"),
            ..Setup::with(mix::prometheus(rules))
        },
        _ => Setup::default(),
    };
    let Some(running) = targets::start(target, &plan, args, &setup)? else { return Ok(None) };
    let mut beside = None;
    if target == Target::VictoriaMetrics && rules > 0 {
        beside = targets::vmalert(&mix::prometheus(rules).text, running.address, interval)?;
        if beside.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(Evaluated { running, beside }))
}

impl Evaluated {
    fn cpu_seconds(&self) -> Result<f64> {
        let mut spent = self.running.process.usage()?.cpu_seconds;
        if let Some((beside, _)) = &self.beside {
            spent += beside.usage()?.cpu_seconds;
        }
        Ok(spent)
    }

    /// What it says of its rules. A peer that has no time for them skips evaluations, and costs less than it should.
    async fn rules(&self, rules: usize) -> Result<String> {
        if let Some(api) = self.running.api {
            let sql = "SELECT count(*), sum(evaluations), sum(errors), count(CASE WHEN mode = 'incremental' THEN 1 END) \
                       FROM flyball.rules";
            let row = account::query(api, sql).await?.into_iter().next().context("an aggregate has a row")?;
            return Ok(format!(
                "{} rules, {} evaluations, {} errors, {} kept incrementally",
                row[0], row[1], row[2], row[3]
            ));
        }
        if rules == 0 {
            return Ok("no rules".to_owned());
        }
        let (address, metrics) = match &self.beside {
            Some((_, address)) => (*address, VMALERT),
            None => (self.running.address, PROMETHEUS),
        };
        let page = get(address, "/metrics").await?;
        let [evaluated, failed, missed] = metrics.map(|metric| total(&page, metric));
        Ok(format!("{evaluated:.0} evaluations, {failed:.0} failed, {missed:.0} rounds missed"))
    }
}

/// The sum over all series of a metric.
fn total(page: &str, metric: &str) -> f64 {
    let of = page.lines().filter(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' '])));
    of.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// The rules of VictoriaMetrics are evaluated by vmalert.
fn name(target: Target) -> &'static str {
    match target {
        Target::Flyball => "flyball",
        Target::Prometheus3 => "Prometheus 3",
        _ => "VictoriaMetrics with vmalert",
    }
}

fn table(title: &str, rows: &[Row], judged: bool) -> String {
    let head = ["target", "CPU s a minute without rules", "with rules", "rules alone", "flyball is at", "goal"];
    let mut text = format!("{title}\n\n{}", report::head(&head));
    let alone = |row: &Row| row.with - row.without;
    let flyball = rows.iter().find(|row| row.target == Target::Flyball).map(alone);
    for row in rows {
        let ratio = flyball.map(|flyball| flyball / alone(row));
        let goal = ratio.filter(|_| row.target == Target::Prometheus3);
        text.push_str(&format!(
            "| {} | {:.2} | {:.2} | {:.2} | {} | {} |\n",
            name(row.target),
            row.without,
            row.with,
            alone(row),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            goal.map_or_else(String::new, |is| format!("<= {SHARE:.2}: {}", verdict(judged, is <= SHARE))),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_cost_what_they_add() {
        let rows = [
            Row { target: Target::Flyball, without: 1.0, with: 1.25 },
            Row { target: Target::Prometheus3, without: 5.0, with: 15.0 },
        ];
        let text = table("title", &rows, true);
        assert!(text.ends_with(
            "| flyball | 1.00 | 1.25 | 0.25 | 1.000 |  |\n\
             | Prometheus 3 | 5.00 | 15.00 | 10.00 | 0.025 | <= 0.05: met |\n"
        ));
        assert!(table("title", &rows, false).contains("not judged"));
    }

    #[test]
    fn a_metric_is_summed_over_its_series_alone() {
        let page = "# HELP a_total x\na_total{g=\"1 2\"} 3\na_total{g=\"2\"} 4e0\na_total_more 9\na_total 1\n";
        assert_eq!(total(page, "a_total"), 8.0);
    }
}
