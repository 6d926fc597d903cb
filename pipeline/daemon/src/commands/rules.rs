//! `flyball rules`.

mod backtest;
mod check;
mod explain;
mod import;
mod samples;
mod test;

use flyball_rules::definition::{Problem, in_order};

use crate::Failure;
use crate::cli::RulesCommand;

pub(crate) async fn run(command: RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Check(args) => check::run(args).await,
        RulesCommand::Backtest(args) => backtest::run(*args).await,
        RulesCommand::Explain { path, rule, url, format, credentials } => {
            explain::run(&path, &rule, url, format, &credentials).await
        }
        RulesCommand::Test { paths, format } => test::run(&paths, format).await,
        RulesCommand::Import { from, file, out } => import::run(from, &file, out.as_deref()),
    }
}

/// Warnings are told, and no reason to stop.
fn no_errors(problems: Vec<Problem>) -> Result<(), Failure> {
    let problems = in_order(problems);
    if problems.iter().any(Problem::is_error) {
        return Err(Failure::Configuration(problems.iter().map(ToString::to_string).collect()));
    }
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    Ok(())
}
