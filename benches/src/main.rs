//! Sends one and the same load to flyball and to its peers, and measures what each of them spends on it.
//!
//! See `benches/METHOD.md` for how to run it and how to read what it prints.

mod account;
mod args;
mod cgroup;
mod client;
mod clock;
mod drive;
mod durability;
mod goals;
mod latency;
mod overload;
mod pace;
mod process;
mod report;
mod rules;
mod targets;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use flyball_bench::body;

use crate::args::{Args, Mode};
use crate::drive::Bodies;
use crate::report::Report;
use crate::targets::Setup;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.mode {
        Some(Mode::Overload(options)) => overload::run(&args, options),
        Some(Mode::Latency(options)) => latency::run(&args, options),
        Some(Mode::Durability(options)) => durability::run(&args, options),
        Some(Mode::Rules { what }) => rules::run(&args, what),
        None => measure(&args),
    };
    match done {
        Ok(failed) if failed.is_empty() => ExitCode::SUCCESS,
        Ok(failed) => {
            clock::note(&format!("failed: {}", failed.join("; ")));
            ExitCode::FAILURE
        }
        Err(error) => {
            clock::note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints all that is asked for; returns what could not be measured.
fn measure(args: &Args) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::new(args);
    let mut failed = Vec::new();
    for load in args.loads() {
        let targets = args.targets(load);
        if targets.is_empty() {
            continue;
        }
        let plan = args.plan(load, clock::unix_millis());
        clock::note(&format!("{load}: encoding {} rounds of {}", plan.rounds(), plan.series));
        let rounds = body::encode(&plan);
        let bytes: usize = rounds.iter().flatten().flatten().map(|body| body.bytes.len()).sum();
        clock::note(&format!(
            "  {:.0} MB, {:.0} bytes a point",
            bytes as f64 / 1e6,
            bytes as f64 / plan.points() as f64
        ));
        for target in targets {
            clock::note(&format!("{load}: {target}"));
            match drive::measure(&runtime, target, &plan, &Bodies::Same(&rounds), args, &Setup::of(target, &plan, args))
            {
                Ok(Some(measured)) => {
                    clock::note(&format!("  {measured}"));
                    report.add(&plan, target, measured);
                }
                Ok(None) => clock::note("  not on PATH: left out"),
                // One that fails does not take hours of measuring with it.
                Err(error) => {
                    clock::note(&format!("  failed: {error:#}"));
                    failed.push(format!("{load} to {target}"));
                }
            }
        }
    }
    report.print()?;
    Ok(failed)
}
