//! Flyball, with its defaults, the rules it is given, and nothing of this machine's own metrics.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use flyball_bench::plan::Plan;

use super::{Setup, write};
use crate::args::Args;
use crate::client::Transport;
use crate::process::free_address;

/// What `limits.series` is unless configured.
const SERIES_DEFAULT: usize = 1_000_000;

/// The program, listening on `address` for the plan's load; and where it answers questions.
pub(super) fn command(
    dir: &Path,
    plan: &Plan,
    address: SocketAddr,
    args: &Args,
    setup: &Setup,
) -> Result<(Command, SocketAddr)> {
    let program = std::path::absolute(&args.flyball)?;
    ensure!(
        program.is_file(),
        "{} is not there: cargo build --release -p flyball, or give --flyball",
        program.display()
    );
    let (api, grpc) = match Transport::of(plan.load) {
        Transport::Http => (address, free_address()?),
        Transport::Grpc => (free_address()?, address),
    };
    let rules = if setup.rules.rules == 0 {
        String::new()
    } else {
        write(dir, "rules.yaml", &setup.rules.text)?.display().to_string()
    };
    let config = format!(
        "data_dir: '{}'\n\
         http: {{listen: '{api}'}}\n\
         receivers: {{otlp: {{grpc: '{grpc}', http: '127.0.0.1:0'}}, host: {{enabled: false}}}}\n\
         limits: {{series: {}}}\n\
         rules: [{rules}]\n\
         {}",
        setup.data_dir.clone().unwrap_or_else(|| dir.join("data")).display(),
        series_limit(plan),
        setup.config
    );
    let mut command = Command::new(program);
    command.args(["serve", "--config"]).arg(write(dir, "flyball.yaml", &config)?);
    Ok((command, api))
}

/// The default where it is enough: no load is meant to measure how series are refused.
fn series_limit(plan: &Plan) -> usize {
    // Room for what flyball may make beside them, such as a stream a resource.
    let wanted = plan.distinct_series() + plan.distinct_series() / 10;
    wanted.max(SERIES_DEFAULT)
}
