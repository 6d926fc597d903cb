//! Errors of rules that are no reason to refuse them: what speaks against the rule is what senders sent since it was taken over. It is in force, and in
//! error until other points come. Refusing it would let a sender keep flyball from starting, and everybody from changing any rule.

use std::collections::HashMap;
use std::sync::Arc;

use flyball_rules::check::{BackendActions, check_each, check_rules, collisions};
use flyball_rules::definition::{Level, Problem, Rule, RuleSet};
use flyball_rules::query::Database;
use flyball_runtime::RuleEntry;
use flyball_store::{Store, StoreOptions};

use crate::wiring::checking_database;

/// What is said of an error that became a warning, behind what is said already.
const HINT: &str = "the rule stays in force; where it can't run it is in error";

/// Which errors are excused.
#[derive(Debug)]
pub(crate) enum Excuse {
    /// At the start: those that would be none if no point had ever come.
    Points,
    /// Later: those of rules that are in force, word for word.
    InForce(Vec<Arc<RuleEntry>>),
}

impl Excuse {
    /// Everything that is wrong with rules that could be read; errors that are excused are warnings.
    pub(crate) async fn check(self, rules: &RuleSet, database: &Database, backends: &BackendActions) -> Vec<Problem> {
        let mut problems = check_rules(rules, Some(database), Some(backends)).await;
        problems.extend(collisions(rules, database));
        if !problems.iter().any(Problem::is_error) {
            return problems;
        }
        match self {
            Self::Points => {
                let without_points = check_without_points(rules, backends).await;
                excuse(&mut problems, |problem| !without_points.contains(problem));
            }
            Self::InForce(entries) => {
                let in_force = only_in_force(rules, &entries);
                let mut theirs = check_each(&in_force, Some(database), Some(backends)).await;
                theirs.extend(collisions(&in_force, database));
                excuse(&mut problems, |problem| theirs.contains(problem));
            }
        }
        problems
    }
}

fn excuse(problems: &mut [Problem], is_excused: impl Fn(&Problem) -> bool) {
    for problem in problems.iter_mut().filter(|problem| problem.is_error() && is_excused(problem)) {
        problem.level = Level::Warning;
        problem.hint = Some(problem.hint.as_ref().map_or(HINT.to_owned(), |hint| format!("{hint}; {HINT}")));
    }
}

/// Whether a warning was an error.
pub(crate) fn is_excused(warning: &Problem) -> bool {
    warning.hint.as_ref().is_some_and(|hint| hint.ends_with(HINT))
}

/// What is wrong with rules whatever is sent. Where no empty store can be made, that is what their text alone tells.
pub(crate) async fn check_without_points(rules: &RuleSet, backends: &BackendActions) -> Vec<Problem> {
    let opened = tokio::task::spawn_blocking(|| {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let store = Store::open(folder.path(), StoreOptions::default()).map_err(|error| error.to_string())?;
        Ok::<_, String>((folder, store))
    });
    match opened.await.expect("opening an empty store does not panic") {
        Ok((_folder, store)) => check_rules(rules, Some(&checking_database(&store)), Some(backends)).await,
        Err(error) => {
            tracing::warn!(error, "no empty store could be made; unknown columns and functions are not told apart");
            check_rules(rules, None, Some(backends)).await
        }
    }
}

/// The rules that are in force as they stand here.
fn only_in_force(rules: &RuleSet, entries: &[Arc<RuleEntry>]) -> RuleSet {
    let known: HashMap<&str, &Rule> = entries.iter().map(|entry| (entry.rule.name.as_str(), &*entry.rule)).collect();
    let mut rules = rules.clone();
    for group in rules.files.iter_mut().flat_map(|file| &mut file.groups) {
        group.rules.retain(|rule| known.get(rule.name.as_str()).is_some_and(|known| is_same(known, rule)));
    }
    rules
}

/// Whether two rules are the same in all that a check looks at: a version leaves the summary out.
fn is_same(one: &Rule, other: &Rule) -> bool {
    let summary = |rule: &Rule| rule.summary.as_ref().map(|summary| summary.text().as_str().to_owned());
    one.version == other.version && summary(one) == summary(other)
}
