//! The programs that take a load, and how each is started.

mod flyball;
mod peers;
mod rules;
mod setup;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use flyball_bench::load::{Load, Protocol};
use flyball_bench::plan::Plan;
use tempfile::TempDir;

pub(crate) use self::setup::{RuleFile, Setup};
use crate::args::Args;
use crate::cgroup::CpuQuota;
use crate::client::Transport;
use crate::process::{Process, free_address};

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
    /// InfluxDB 2.
    Influxd2,
}

impl Target {
    /// Whether it understands the load.
    pub(crate) const fn takes(self, load: Load) -> bool {
        match load.protocol() {
            Protocol::RemoteWrite1 => {
                matches!(self, Self::Flyball | Self::VictoriaMetrics | Self::Prometheus | Self::Prometheus3)
            }
            Protocol::RemoteWrite2 => matches!(self, Self::Flyball | Self::Prometheus3),
            Protocol::OtlpMetrics | Protocol::OtlpLogs => matches!(self, Self::Flyball | Self::Otelcol),
            Protocol::LineProtocol => matches!(self, Self::Flyball | Self::VictoriaMetrics | Self::Influxd2),
        }
    }

    /// Whether it is measured in the variations of a load: the best peer of the load is, the others are known to be behind.
    pub(crate) const fn is_compared_in_variations(self) -> bool {
        matches!(self, Self::Flyball | Self::VictoriaMetrics)
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
            Target::Influxd2 => "InfluxDB 2",
        })
    }
}

/// A target that was started.
pub(crate) struct Running {
    pub(crate) process: Process,
    /// Where it takes the load.
    pub(crate) address: SocketAddr,
    /// Where flyball answers questions.
    pub(crate) api: Option<SocketAddr>,
    /// What it is held to. Behind the process, which must have ended before it goes.
    _quota: Option<CpuQuota>,
}

/// Starts a target on free ports; `None` where its program is not installed.
pub(crate) fn start(target: Target, plan: &Plan, args: &Args, setup: &Setup) -> Result<Option<Running>> {
    let dir = tempfile::Builder::new().prefix("flyball-bench-").tempdir()?;
    let address = free_address()?;
    let (command, api) = match target {
        Target::Flyball => {
            let (command, api) = flyball::command(dir.path(), plan, address, args, setup)?;
            (Some(command), Some(api))
        }
        Target::VictoriaMetrics => (peers::victoria_metrics(dir.path(), address), None),
        Target::Prometheus => (peers::prometheus("prometheus", dir.path(), address, setup)?, None),
        Target::Prometheus3 => (peers::prometheus("prometheus3", dir.path(), address, setup)?, None),
        Target::Otelcol => (peers::otelcol(dir.path(), address, Transport::of(plan.load) == Transport::Grpc)?, None),
        Target::Influxd2 => (peers::influxd2(dir.path(), address), None),
    };
    command.map(|command| launch(command, dir, address, api, args)).transpose()
}

/// An Alertmanager with this configuration, and its address; `None` where it is not installed.
pub(crate) fn alertmanager(config: &str) -> Result<Option<(Process, SocketAddr)>> {
    beside(|dir, address| peers::alertmanager(dir, address, config))
}

/// A vmalert that evaluates rules over what a VictoriaMetrics has every so many seconds, and its address; `None` where it is not installed.
pub(crate) fn vmalert(
    rules: &str,
    victoria_metrics: SocketAddr,
    every_seconds: i64,
) -> Result<Option<(Process, SocketAddr)>> {
    beside(|dir, address| peers::vmalert(dir, address, rules, victoria_metrics, every_seconds))
}

/// Starts what stands beside a target.
fn beside(command: impl FnOnce(&Path, SocketAddr) -> Result<Option<Command>>) -> Result<Option<(Process, SocketAddr)>> {
    let dir = tempfile::Builder::new().prefix("flyball-bench-").tempdir()?;
    let address = free_address()?;
    let Some(command) = command(dir.path(), address)? else { return Ok(None) };
    Ok(Some((Process::start(command, dir, address)?, address)))
}

fn launch(
    command: Command,
    dir: TempDir,
    address: SocketAddr,
    api: Option<SocketAddr>,
    args: &Args,
) -> Result<Running> {
    let mut command = pinned(command, args.cores.as_deref());
    let quota = args.server_cpu.map(CpuQuota::new).transpose()?;
    if let Some(quota) = &quota {
        command = quota.command(&command);
    }
    Ok(Running { process: Process::start(command, dir, address)?, address, api, _quota: quota })
}

/// The same command on these CPUs alone. taskset becomes the program, so that the process is still the target's.
fn pinned(command: Command, cores: Option<&str>) -> Command {
    let Some(cores) = cores else { return command };
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", cores]).arg(command.get_program()).args(command.get_args());
    pinned
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_has_a_peer() {
        for load in Load::value_variants() {
            assert!(Target::Flyball.takes(*load), "{load}");
            let peers = Target::value_variants().iter().filter(|target| target.takes(*load)).count() - 1;
            assert!(peers > 0, "{load}");
        }
    }
}
