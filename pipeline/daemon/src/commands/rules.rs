//! `flyball rules`.

mod backtest;
mod explain;
mod test;

use std::io::Write;

use anyhow::Context;
use flyball_rules::check::check_rules;
use flyball_rules::definition::{Level, Problem, RuleSet};
use flyball_store::{Store, StoreOptions};
use serde_json::{Value, json};

use crate::cli::RulesCommand;
use crate::client::Credentials;
use crate::rule_paths::RulePaths;
use crate::{Failure, client, wiring};

pub(crate) async fn run(command: RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Check { paths, url, credentials } => check(&paths, url, &credentials).await,
        RulesCommand::Backtest(args) => backtest::run(*args).await,
        RulesCommand::Explain { path, rule, url, format, credentials } => {
            explain::run(&path, &rule, url, format, &credentials).await
        }
        RulesCommand::Test { paths, format } => test::run(&paths, format).await,
    }
}

async fn check(paths: &[String], url: Option<String>, credentials: &Credentials) -> Result<(), Failure> {
    let paths = RulePaths::parse(paths).map_err(|error| Failure::Failed(anyhow::anyhow!(error)))?;
    let (rules, mut problems) = paths.load();
    problems.extend(rules.files.iter().flat_map(|file| flyball_rules_testing::read(file, &rules).1));
    match url {
        Some(url) => problems.extend(ask(&rules, &url, credentials).await?),
        None => problems.extend(offline(&rules).await?),
    }
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems.dedup();
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    let mut stdout = std::io::stdout().lock();
    for problem in &problems {
        writeln!(stdout, "{problem}").context("stdout is closed")?;
    }
    let summary = format!(
        "{} in {}: {}, {}",
        counted(rules.rules().count(), "rule"),
        counted(rules.files.len(), "file"),
        counted(errors, "error"),
        counted(problems.len() - errors, "warning"),
    );
    writeln!(stdout, "{summary}").context("stdout is closed")?;
    if errors > 0 { Err(Failure::Reported) } else { Ok(()) }
}

/// `1 rule`, `2 rules`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Plans against an empty store: the tables that always exist are known, and a metric is only a warning.
async fn offline(rules: &RuleSet) -> anyhow::Result<Vec<Problem>> {
    let folder = tempfile::tempdir().context("no folder for an empty store could be made")?;
    let dir = folder.path().to_owned();
    let store = tokio::task::spawn_blocking(move || Store::open(&dir, StoreOptions::default())).await??;
    Ok(check_rules(rules, Some(&wiring::checking_database(&store)), None).await)
}

/// Asks a server, which knows the metrics and labels it has seen, and its backends.
async fn ask(rules: &RuleSet, url: &str, credentials: &Credentials) -> anyhow::Result<Vec<Problem>> {
    let files: Vec<Value> =
        rules.files.iter().map(|file| json!({"name": file.name, "text": file.source.text()})).collect();
    let request = credentials.client()?.post(client::at(url, "/api/v1/rules/check")).json(&json!({"files": files}));
    let answer: Value =
        serde_json::from_slice(&client::ask(request, url).await?).context("the server's answer is not JSON")?;
    serde_json::from_value(answer["problems"].clone()).context("the server's answer has no list of problems")
}
