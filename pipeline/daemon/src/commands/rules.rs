//! `flyball rules`.

mod backtest;
mod check;
mod explain;
mod import;
mod test;

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
