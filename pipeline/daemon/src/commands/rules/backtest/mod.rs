//! `flyball rules backtest`.

mod folder;
mod progress;
mod server;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::CommandFactory;
use clap::error::ErrorKind;
use flyball_model::{Clock, WallClock};
use flyball_rules::check::check_rules;
use flyball_rules::definition::{Level, Rule, RuleSet};
use flyball_rules_testing::backtest::report::FailOn;
use flyball_rules_testing::backtest::{self, BacktestError, Options, Report, Source, Versions, report};
use flyball_twin::Mapping;

use self::progress::Told;
use super::no_errors;
use crate::cli::{BacktestArgs, BacktestFormat, Cli, FailOnWord};
use crate::commands::output::print;
use crate::rule_paths::RulePaths;
use crate::{Failure, wiring};

pub(super) async fn run(args: BacktestArgs) -> Result<(), Failure> {
    let clock = WallClock::default();
    let options = Options { from: args.from, to: args.to, every: args.every, mapping: mapping(&args.mapping)? };
    let new = rules(&args.paths).await?;
    let old = if args.against.is_empty() { None } else { Some(rules(&args.against).await?) };
    if new.is_empty() {
        return Err(Failure::Failed(anyhow!("there is no rule in the files given")));
    }
    let versions = Versions { new: &new, old: old.as_deref() };
    let report = match &args.data_dir {
        Some(dir) => play(&folder::open(dir).await?, versions, &options, &clock).await?,
        None => play(&server::Server::new(&args.url, &args.credentials)?, versions, &options, &clock).await?,
    };
    let fail_on = FailOn {
        firing: args.fail_on.contains(&FailOnWord::Firing),
        difference: args.fail_on.contains(&FailOnWord::Difference),
    };
    write(args.svg.as_deref(), || report::svg(&report))?;
    write(args.html.as_deref(), || report::html(&report))?;
    let text = match args.format {
        BacktestFormat::Table => report::text(&report),
        BacktestFormat::Json => format!("{:#}\n", report::json(&report, fail_on)),
        BacktestFormat::Junit => report::junit(&report, fail_on),
    };
    print(&text)?;
    if fail_on.is_good(&report) { Ok(()) } else { Err(Failure::Reported) }
}

async fn play(
    source: &impl Source,
    versions: Versions<'_>,
    options: &Options,
    clock: &dyn Clock,
) -> Result<Report, Failure> {
    let mut told = Told::new(options.from, options.to);
    let played =
        backtest::run(source, versions, options, &wiring::testing_database, clock, &mut |at| told.tell(at)).await;
    told.clear();
    Ok(played.map_err(|error| match error {
        BacktestError::NoTime { .. } => Cli::command().error(ErrorKind::ValueValidation, error).exit(),
        error => anyhow::Error::from(error),
    })?)
}

/// The rules of files in which nothing is wrong; warnings are told, and no reason to stop.
async fn rules(paths: &[String]) -> Result<Vec<Arc<Rule>>, Failure> {
    let paths = RulePaths::parse(paths).map_err(|error| Failure::Configuration(vec![error]))?;
    let (set, mut problems): (RuleSet, _) =
        tokio::task::spawn_blocking(move || paths.load(Level::Warning)).await.context("reading files panicked")?;
    problems.extend(check_rules(&set, None, None).await);
    no_errors(problems)?;
    // What rules recorded is in the history.
    let firing = set.rules().filter(|(_, rule)| rule.record.is_none());
    Ok(firing.map(|(_, rule)| Arc::new(rule.clone())).collect())
}

fn mapping(files: &[std::path::PathBuf]) -> Result<Mapping, Failure> {
    let mut mapping = Mapping::builtin();
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("--mapping: {name} can't be read"))?;
        mapping = mapping
            .extend(&name, &text)
            .map_err(|found| Failure::Configuration(found.iter().map(ToString::to_string).collect()))?;
    }
    Ok(mapping)
}

fn write(file: Option<&Path>, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, text()).with_context(|| format!("{} can't be written", file.display()))
}
