//! Sends one and the same load to flyball and to its peers, and measures what each of them spends on it.
//!
//! See `benches/METHOD.md` for how to run it and how to read what it prints.

mod args;
mod body;
mod client;
mod clock;
mod drive;
mod process;
mod report;
mod series;
mod targets;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::Args;
use crate::report::Report;

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::new(&args);
    for load in args.loads() {
        let targets: Vec<_> = args.targets().into_iter().filter(|target| target.takes(load)).collect();
        clock::note(&format!("{load}: encoding {} rounds of {} series", args.warm_up + args.rounds, args.series));
        let rounds = body::encode(load, &args);
        for target in targets {
            clock::note(&format!("{load}: {target}"));
            let measured = drive::measure(&runtime, target, load, &rounds, &args);
            match measured.with_context(|| format!("{load} to {target}"))? {
                Some(measured) => report.add(load, target, measured),
                None => clock::note(&format!("{target} is not on PATH: left out")),
            }
        }
    }
    report.print()
}
