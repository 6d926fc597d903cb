//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Sends one and the same load to flyball and its peers, and prints what each spends on a million points.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The loads to send; all of them unless given.
    #[arg(long = "load", value_enum)]
    loads: Vec<Load>,
    /// The programs to send to; all that are on PATH unless given.
    #[arg(long = "target", value_enum)]
    targets: Vec<Target>,
    /// The flyball program; a release build.
    #[arg(long, default_value = "target/release/flyball")]
    pub(crate) flyball: PathBuf,
    /// Series, each with seven labels.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) series: usize,
    /// Connections that send at the same time, each its own share of the series.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Rounds that are measured; a round is one point of every series.
    #[arg(long, default_value_t = 30)]
    pub(crate) rounds: usize,
    /// Rounds before that, in which a target meets the series for the first time.
    #[arg(long, default_value_t = 5)]
    pub(crate) warm_up: usize,
    /// Seconds after the last answer that still count, for what a target does behind its answers.
    #[arg(long, default_value_t = 5)]
    settle_seconds: u64,
    /// Rules that flyball evaluates meanwhile.
    #[arg(long, default_value_t = 0)]
    pub(crate) rules: usize,
}

impl Args {
    /// How long to wait after the last answer.
    pub(crate) fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_seconds)
    }

    /// What to send.
    pub(crate) fn loads(&self) -> Vec<Load> {
        if self.loads.is_empty() { Load::value_variants().to_vec() } else { self.loads.clone() }
    }

    /// Whom to send it to.
    pub(crate) fn targets(&self) -> Vec<Target> {
        if self.targets.is_empty() { Target::value_variants().to_vec() } else { self.targets.clone() }
    }
}

/// A protocol with its batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Load {
    /// Prometheus remote write 1.0, batches of 2,000.
    RemoteWrite,
    /// OTLP metrics over gRPC, batches of 8,192.
    OtlpGrpc,
}

impl Load {
    /// Points of one request.
    pub(crate) const fn batch(self) -> usize {
        match self {
            // What Prometheus sends by default.
            Load::RemoteWrite => 2_000,
            // What the Collector's batch processor sends by default.
            Load::OtlpGrpc => 8_192,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Load::RemoteWrite => "remote write",
            Load::OtlpGrpc => "OTLP/gRPC metrics",
        })
    }
}

/// A program that takes a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Flyball, doing its whole work.
    Flyball,
    /// VictoriaMetrics, single node.
    VictoriaMetrics,
    /// Prometheus 2 as Debian has it, with its remote-write receiver.
    Prometheus,
    /// Prometheus 3, with its remote-write receiver.
    Prometheus3,
    /// OpenTelemetry Collector, which drops everything after decoding.
    Otelcol,
}

impl Target {
    /// Whether it understands the protocol.
    pub(crate) const fn takes(self, load: Load) -> bool {
        match self {
            Target::Flyball => true,
            Target::VictoriaMetrics | Target::Prometheus | Target::Prometheus3 => matches!(load, Load::RemoteWrite),
            Target::Otelcol => matches!(load, Load::OtlpGrpc),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Target::Flyball => "flyball",
            Target::VictoriaMetrics => "VictoriaMetrics",
            Target::Prometheus => "Prometheus 2",
            Target::Prometheus3 => "Prometheus 3",
            Target::Otelcol => "Collector (drops)",
        })
    }
}
