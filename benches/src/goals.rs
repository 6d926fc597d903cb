//! What the project wants to reach, a row a goal. The table says of each whether it is met.

use flyball_bench::load::Load;

use crate::args::Args;
use crate::targets::Target;

/// What a goal is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// Flyball's CPU, divided by that of this target in the same run, is at most this.
    Ratio(Target, f64),
    /// Flyball's CPU, divided by its own for the load that this one is a variation of, is at most this.
    RatioToBase(f64),
    /// Flyball's peak memory is at most this.
    PeakMegabytes(f64),
}

/// All goals; see [`are_about`].
const GOALS: [(Load, Goal); 12] = [
    (Load::RemoteWrite, Goal::Ratio(Target::VictoriaMetrics, 1.0 / 5.0)),
    (Load::RemoteWrite, Goal::PeakMegabytes(180.0)),
    (Load::RemoteWrite2, Goal::Ratio(Target::Prometheus3, 1.0 / 15.0)),
    (Load::OtlpGrpc, Goal::Ratio(Target::Otelcol, 1.0 / 3.0)),
    (Load::OtlpHttp, Goal::Ratio(Target::Otelcol, 1.0 / 4.0)),
    (Load::OtlpHttpGzip, Goal::Ratio(Target::Otelcol, 1.0 / 2.0)),
    (Load::OtlpGrpcLogs, Goal::Ratio(Target::Otelcol, 1.0)),
    (Load::LineProtocol, Goal::Ratio(Target::VictoriaMetrics, 1.0 / 3.0)),
    (Load::RemoteWriteTenfold, Goal::RatioToBase(1.3)),
    (Load::RemoteWriteTenfold, Goal::PeakMegabytes(700.0)),
    (Load::RemoteWriteShuffled, Goal::RatioToBase(2.0)),
    (Load::RemoteWriteChurn, Goal::Ratio(Target::VictoriaMetrics, 1.0 / 2.0)),
];

/// Whether the goals are about such a run: 100,000 series of 7 labels, 4 connections, 100 rules, everything else as it is by
/// default; and, which nobody checks here, two cores.
pub(crate) fn are_about(args: &Args) -> bool {
    let Args { series, connections, rules, shuffle_labels, cores, .. } = args;
    (*series, *connections, *rules, *shuffle_labels) == (100_000, 4, 100, false)
        && cores.is_none()
        && args.is_of_default_length_and_order()
}

/// How a goal stands in a table; only of a run that the goals are about it is said whether it is met.
pub(crate) const fn verdict(judged: bool, met: bool) -> &'static str {
    match (judged, met) {
        (false, _) => "not judged",
        (true, true) => "met",
        (true, false) => "missed",
    }
}

/// The goals that a row of the table is about: those against a peer stand in the peer's row.
pub(crate) fn of(load: Load, target: Target) -> impl Iterator<Item = Goal> {
    GOALS.into_iter().filter(move |(of, _)| *of == load).map(|(_, goal)| goal).filter(move |goal| match goal {
        Goal::Ratio(peer, _) => *peer == target,
        Goal::RatioToBase(_) | Goal::PeakMegabytes(_) => target == Target::Flyball,
    })
}

#[cfg(test)]
mod tests {
    use clap::{Parser, ValueEnum};

    use super::*;

    #[test]
    fn quick_runs_are_not_judged() {
        for (line, judged) in [(&["flyball-bench"][..], true), (&["flyball-bench", "--rounds", "3"], false)] {
            assert_eq!(are_about(&Args::parse_from(line)), judged, "{line:?}");
        }
    }

    #[test]
    fn every_load_has_a_goal_that_a_run_can_show() {
        for &load in Load::value_variants() {
            assert!(GOALS.iter().any(|(of, _)| *of == load), "{load}");
        }
        for (load, goal) in GOALS {
            match goal {
                Goal::Ratio(peer, _) => assert!(peer.takes(load), "{load}: {peer}"),
                Goal::RatioToBase(_) => assert!(load.base().is_some(), "{load}"),
                Goal::PeakMegabytes(_) => {}
            }
        }
    }
}
