//! `flyball rules test`.

use anyhow::Context;
use flyball_model::WallClock;
use flyball_rules::check::check_rules;
use flyball_rules::definition::{Level, Problem, RuleSet};
use flyball_rules_testing::{Test, in_scope, read, report};

use super::no_errors;
use crate::cli::TestFormat;
use crate::commands::output::{counted, print};
use crate::rule_paths::RulePaths;
use crate::{Failure, wiring};

/// Tests by the place of their file in the set.
type Tests = Vec<(usize, Vec<Test>)>;

pub(super) async fn run(paths: &[String], format: TestFormat) -> Result<(), Failure> {
    let paths = RulePaths::parse(paths).map_err(|error| Failure::Configuration(vec![error]))?;
    let (rules, problems) =
        tokio::task::spawn_blocking(move || paths.load(Level::Warning)).await.context("reading files panicked")?;
    let tests = good_tests(&rules, problems).await?;
    if tests.iter().all(|(_, tests)| tests.is_empty()) {
        // A CI step that tests nothing must not be green.
        let hint = "write some under 'tests:' (`flyball rules test --help` shows one)";
        let files = counted(rules.files.len() as u64, "file");
        return Err(Failure::Failed(anyhow::anyhow!("there is no test in {files}; {hint}")));
    }
    let clock = WallClock::default();
    let mut verdicts = Vec::new();
    for (file, tests) in &tests {
        let scope = in_scope(&rules.files[*file], &rules);
        for test in tests {
            let verdict = flyball_rules_testing::run(test, &scope, &wiring::testing_database, &clock).await;
            if format == TestFormat::Text {
                print(&report::text(&verdict))?;
            }
            verdicts.push(verdict);
        }
    }
    match format {
        TestFormat::Text => print(&format!("{}\n", report::summary(&verdicts)))?,
        TestFormat::Json => print(&format!("{:#}\n", report::json(&verdicts)))?,
        TestFormat::Junit => print(&report::junit(&verdicts))?,
    }
    if verdicts.iter().all(|verdict| verdict.is_good()) { Ok(()) } else { Err(Failure::Reported) }
}

/// All tests of files in which nothing is wrong; warnings are told, and no reason to stop.
async fn good_tests(rules: &RuleSet, mut problems: Vec<Problem>) -> Result<Tests, Failure> {
    problems.extend(check_rules(rules, None, None).await);
    let mut tests = Vec::new();
    for (place, file) in rules.files.iter().enumerate() {
        let (found, wrong) = read(file, rules);
        problems.extend(wrong);
        tests.push((place, found));
    }
    no_errors(problems)?;
    Ok(tests)
}
