//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use flyball_bench::load::Load;
use flyball_bench::order::Order;
use flyball_bench::plan::Plan;
use flyball_bench::series::STEP_MILLIS;

use crate::targets::Target;
use crate::{durability, latency, overload, rules};

/// Encoding takes this long, more or less; the last round's points are stamped with the time after it, so that they are
/// of now when they are sent. Far below what any target still takes from the future.
pub(crate) const ENCODING: Duration = Duration::from_secs(30);

/// Sends one and the same load to flyball and its peers, and prints what each spends on a million points.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Something else than measuring the cost of a point.
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    /// The loads to send; all of them unless given, for durability one of each kind. The other modes have their own.
    #[arg(long = "load", global = true, value_enum)]
    loads: Vec<Load>,
    /// The programs to send to; all that are on PATH unless given, for the variations of a load only the best peer. latency knows
    /// flyball and prometheus3, rules peers victoria-metrics too.
    #[arg(long = "target", global = true, value_enum)]
    targets: Vec<Target>,
    /// The flyball program; a release build.
    #[arg(long, global = true, default_value = "target/release/flyball")]
    pub(crate) flyball: PathBuf,
    /// Series, each with seven labels; log records of a round.
    #[arg(long, global = true, default_value_t = 100_000)]
    pub(crate) series: usize,
    /// Connections that send at the same time, each its own share of the series.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Rounds that are measured, each one point of every series; by default ten minutes' worth, fewer where bodies are long.
    #[arg(long)]
    rounds: Option<usize>,
    /// Rounds before that, in which a target meets the series for the first time.
    #[arg(long)]
    warm_up: Option<usize>,
    /// In which order the series come; by default what the load's name says.
    #[arg(long, value_enum)]
    order: Option<Order>,
    /// Sends the labels inside each series in another order in every round. Remote write forbids it: a peer may make new
    /// series of them, or refuse them.
    #[arg(long)]
    pub(crate) shuffle_labels: bool,
    /// Seconds after the last answer that still count, for what a target does behind its answers.
    #[arg(long, default_value_t = 5)]
    settle_seconds: u64,
    /// Rules that flyball evaluates meanwhile; latency and rules bring their own.
    #[arg(long, global = true, default_value_t = 100)]
    pub(crate) rules: usize,
    /// The CPUs that targets may use, as taskset has them: 0 or 0,1 or 0-3. All unless given.
    #[arg(long, global = true)]
    pub(crate) cores: Option<String>,
    /// The CPU time that targets may use, in cores: 0.2 is a fifth of one. All unless given. Needs a writable cgroup (root).
    #[arg(long, global = true)]
    pub(crate) server_cpu: Option<f64>,
}

/// What else there is to do.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Mode {
    /// Sends far more than flyball can take, and looks whether it stays well and honest.
    Overload(overload::Options),
    /// Measures how long it takes from a sample on the socket to its event on a webhook's socket.
    Latency(latency::Options),
    /// Measures what the log costs: each load with it and without, by turns.
    Durability(durability::Options),
    /// What rules cost, and how fast they are.
    Rules {
        /// What about them.
        #[command(subcommand)]
        what: rules::What,
    },
}

impl Args {
    /// How long to wait after the last answer.
    pub(crate) fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_seconds)
    }

    /// Whether rounds and orders are those that the loads bring.
    pub(crate) fn is_of_default_length_and_order(&self) -> bool {
        self.rounds.is_none() && self.warm_up.is_none() && self.order.is_none()
    }

    /// Whether targets may use all of the machine.
    pub(crate) fn gives_all_of_the_machine(&self) -> bool {
        self.cores.is_none() && self.server_cpu.is_none()
    }

    /// What to send.
    pub(crate) fn loads(&self) -> Vec<Load> {
        self.loads_or(Load::value_variants())
    }

    /// Those that are asked for; these unless any is.
    pub(crate) fn loads_or(&self, usual: &[Load]) -> Vec<Load> {
        if self.loads.is_empty() { usual.to_vec() } else { self.loads.clone() }
    }

    /// Whom to send a load to.
    pub(crate) fn targets(&self, load: Load) -> Vec<Target> {
        let mut targets = self.targets.clone();
        if targets.is_empty() {
            targets = Target::value_variants().to_vec();
            targets.retain(|target| load.base().is_none() || target.is_compared_in_variations());
        }
        targets.retain(|target| target.takes(load));
        targets
    }

    /// Those of some targets that are asked for; all of them unless any is.
    pub(crate) fn asked(&self, of: impl IntoIterator<Item = Target>) -> Vec<Target> {
        of.into_iter().filter(|target| self.targets.is_empty() || self.targets.contains(target)).collect()
    }

    /// A load with its numbers; `now_millis` since the epoch.
    pub(crate) fn plan(&self, load: Load, now_millis: i64) -> Plan {
        let (warm_up, measured) = load.rounds();
        Plan {
            load,
            series: self.series * load.series_factor(),
            connections: self.connections,
            warm_up: self.warm_up.unwrap_or(warm_up),
            measured: self.rounds.unwrap_or(measured),
            order: self.order.unwrap_or(load.order()),
            shuffle_labels: self.shuffle_labels,
            step_millis: STEP_MILLIS,
            last_at_millis: now_millis + ENCODING.as_millis() as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variation_goes_to_the_best_peer_unless_others_are_asked_for() {
        let targets = |line: &[&str]| Args::parse_from(line).targets(Load::RemoteWriteChurn);
        assert_eq!(targets(&["flyball-bench"]), [Target::Flyball, Target::VictoriaMetrics]);
        assert_eq!(
            targets(&["flyball-bench", "--target", "prometheus3", "--target", "otelcol"]),
            [Target::Prometheus3]
        );
    }

    #[test]
    fn options_win_over_what_a_load_brings() {
        let args = Args::parse_from(["flyball-bench", "--series", "50", "--rounds", "2", "--order", "new"]);
        let plan = args.plan(Load::RemoteWriteTenfold, 0);
        assert_eq!((plan.series, plan.measured, plan.order), (500, 2, Order::New));
    }
}
