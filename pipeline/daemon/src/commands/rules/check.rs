//! `flyball rules check`.

mod report;
mod sarif;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flyball_model::{Clock, WallClock};
use flyball_rules::check::{BackendActions, check_each, check_together, codes, collisions};
use flyball_rules::definition::{Level, Problem, RuleFile, RuleSet};
use flyball_rules_testing::Test;
use flyball_store::{Store, StoreOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::report::Report;
use super::samples::Samples;
use crate::cli::{CheckArgs, CheckFormat, Deny};
use crate::client::Credentials;
use crate::commands::output::print;
use crate::rule_paths::RulePaths;
use crate::{Failure, client, config, reload, wiring};

pub(super) async fn run(args: CheckArgs) -> Result<(), Failure> {
    let paths = RulePaths::parse(&args.paths).map_err(|error| Failure::Failed(anyhow::anyhow!(error)))?;
    let backends = args.config.as_deref().map(backends).transpose()?;
    let (rules, mut problems) =
        tokio::task::spawn_blocking(move || paths.load(Level::Warning)).await.context("reading files panicked")?;
    let mut tests: Vec<Vec<Test>> = Vec::new();
    for file in &rules.files {
        let (found, wrong) = flyball_rules_testing::read(file, &rules);
        tests.push(found);
        // What is wrong with a file's outline was found when its rules were read.
        problems.extend(
            wrong
                .into_iter()
                .filter(|problem| !problems.contains(problem))
                .map(|problem| problem.code(codes::TEST))
                .collect::<Vec<_>>(),
        );
    }
    problems.extend(check_together(&rules));
    match (&args.url, &args.data_dir) {
        (Some(url), _) => {
            let of_server = ask(&rules, url, &args.credentials).await?;
            let own_backends = backends.is_some();
            problems.extend(of_server.into_iter().filter(|problem| !(own_backends && is_about_backends(problem))));
            if own_backends {
                problems.extend(check_each(&rules, None, backends.as_ref()).await);
            }
        }
        (None, Some(dir)) => problems.extend(against_folder(&rules, dir, backends.as_ref()).await?),
        (None, None) => problems.extend(against_tests(&rules, &tests, backends.as_ref()).await?),
    }
    let problems = problems.into_iter().map(|problem| problem.code(codes::FILE)).collect();
    let report = Report::new(problems, &rules);
    let text = match args.format {
        CheckFormat::Text => report.text(),
        CheckFormat::Json => format!("{:#}\n", report.json()),
        CheckFormat::Sarif => format!("{:#}\n", sarif::document(&report.problems)),
    };
    print(&text)?;
    if report.problems.iter().any(|problem| is_denied(problem, &args.deny)) { Err(Failure::Reported) } else { Ok(()) }
}

fn is_denied(problem: &Problem, deny: &[Deny]) -> bool {
    problem.is_error()
        || deny.iter().any(|deny| match deny {
            Deny::Warnings => true,
            Deny::Code(code) => problem.code.as_deref() == Some(code),
        })
}

fn is_about_backends(problem: &Problem) -> bool {
    matches!(problem.code.as_deref(), Some(codes::NO_BACKEND | codes::CANNOT))
}

/// What the backends of a configuration can do. They are made, and nothing is asked of them.
fn backends(file: &Path) -> Result<BackendActions, Failure> {
    let unreadable = |error| Failure::Configuration(vec![config::unreadable(&file.display().to_string(), &error)]);
    let loaded = config::load(Some(file)).map_err(unreadable)?;
    if loaded.is_broken() {
        return Err(Failure::Configuration(loaded.problems.iter().map(ToString::to_string).collect()));
    }
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    Ok(reload::actions(&wiring::backends(&loaded.config, &clock, &CancellationToken::new())?))
}

/// Checks rules against a folder that a server left.
async fn against_folder(
    rules: &RuleSet,
    dir: &Path,
    backends: Option<&BackendActions>,
) -> anyhow::Result<Vec<Problem>> {
    // Opening would make it.
    anyhow::ensure!(dir.is_dir(), "{}: there is no such folder", dir.display());
    let folder = dir.to_owned();
    let opening = tokio::task::spawn_blocking(move || Store::open(&folder, StoreOptions::default()));
    let store = opening.await.context("opening the store panicked")?.with_context(|| {
        format!("{} can't be opened; where a server uses it, ask the server with --url", dir.display())
    })?;
    let database = wiring::checking_database(&store);
    let mut problems = check_each(rules, Some(&database), backends).await;
    problems.extend(collisions(rules, &database));
    Ok(problems)
}

/// Checks the rules of each file against what its tests send in, and those of files without rules.
async fn against_tests(
    rules: &RuleSet,
    tests: &[Vec<Test>],
    backends: Option<&BackendActions>,
) -> anyhow::Result<Vec<Problem>> {
    let of_all =
        || rules.files.iter().zip(tests).filter(|(file, _)| file.groups.is_empty()).flat_map(|(_, tests)| tests);
    let mut problems = Vec::new();
    let mut untested = RuleSet::default();
    for (file, tests) in rules.files.iter().zip(tests).filter(|(file, _)| !file.groups.is_empty()) {
        if tests.is_empty() {
            untested.files.push(file.clone());
        } else {
            problems.extend(against(std::slice::from_ref(file), tests.iter().chain(of_all()), backends).await?);
        }
    }
    problems.extend(against(&untested.files, of_all(), backends).await?);
    Ok(problems)
}

async fn against(
    files: &[RuleFile],
    tests: impl Iterator<Item = &Test> + Send,
    backends: Option<&BackendActions>,
) -> anyhow::Result<Vec<Problem>> {
    let samples = Samples::of(tests).await?;
    Ok(check_each(&RuleSet { files: files.to_vec() }, Some(&samples.database), backends).await)
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
