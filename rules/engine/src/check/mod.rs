//! `rules check`: everything that can be known to be wrong with rules before they run.
//!
//! | file | looks at |
//! |---|---|
//! | `recording` | what recording rules give, and whether they go in a circle |
//! | `slo` | the queries of objectives |
//! | `sql` | the query: its syntax, and with a database its tables and columns |
//! | `arguments` | what functions refuse only when they run |
//! | `lints` | what a query that can be planned likely does not mean |
//! | `shadow` | rules that say nothing of their own |
//! | `templates` | the names that summaries and targets ask for |
//! | `labels` | labels that a rule adds in vain, or in place of what tells violations apart |
//! | `unless` | labels of `unless` that no violation has |
//! | `steps` | whether the backends exist and can do what is asked of them |
//! | [`codes`] | the codes of findings |

mod arguments;
pub mod codes;
mod labels;
mod lints;
mod recording;
mod shadow;
mod slo;
mod sql;
mod steps;
mod templates;
mod unless;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use flyball_model::action::ActionKind;

use self::lints::Lints;
use crate::definition::{Level, Problem, RULES_MAX, RuleSet, dependencies, in_order, load_with_problems};
use crate::query::Database;
use crate::recording::{Recorded, circles};

pub use recording::collisions;

/// The configured backends by name, and what each can do.
pub type BackendActions = BTreeMap<String, Vec<ActionKind>>;

/// Every problem of these files and folders, sorted by place; warnings too, see [`Problem::is_error`].
///
/// With a database each query is planned against what is known there; a metric that is not known is a warning, since its first
/// point may come later. Without one, queries are parsed only. With backends, each step of a remediation must name one that can
/// do its action.
pub async fn check(paths: &[PathBuf], database: Option<&Database>, backends: Option<&BackendActions>) -> Vec<Problem> {
    let (rules, mut problems) = load_with_problems(paths);
    problems.extend(dependencies(&rules, Level::Error));
    problems.extend(check_rules(&rules, database, backends).await);
    in_order(problems)
}

/// The same for rules that were read already: what reading could not find.
///
/// # Cancel safety
/// Dropping the future stops the check after the rule that it is at.
pub async fn check_rules(
    rules: &RuleSet,
    database: Option<&Database>,
    backends: Option<&BackendActions>,
) -> Vec<Problem> {
    let mut problems = check_each(rules, database, backends).await;
    problems.extend(check_together(rules));
    problems
}

/// What is wrong with each rule by itself.
///
/// # Cancel safety
/// As [`check_rules`].
pub async fn check_each(
    rules: &RuleSet,
    database: Option<&Database>,
    backends: Option<&BackendActions>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut lints = database.map(Lints::new);
    let recorded = Recorded::by(rules);
    let mut labels_known = HashMap::new();
    // There being more is an error of its own, found when they were read.
    for (_, rule) in rules.rules().take(RULES_MAX) {
        if let Some(slo) = &rule.slo {
            slo::check(rule, slo, database.zip(lints.as_mut()), &recorded, &mut problems).await;
            if let Some(backends) = backends {
                steps::check(rule, backends, &mut problems);
            }
            continue;
        }
        let inspected = match database {
            Some(database) => sql::plan(rule, database, &recorded, &mut problems),
            None => {
                sql::parse(rule, &mut problems);
                None
            }
        };
        if let (Some(lints), Some(inspected)) = (&mut lints, &inspected) {
            lints.look(rule, inspected, &mut problems).await;
        }
        let schema = inspected.as_ref().map(|inspected| inspected.schema.as_ref());
        templates::check(rule, schema, &mut problems);
        labels::check(rule, schema, &mut problems);
        recording::check(rule, schema, &mut problems);
        if let Some(labels) = schema.and_then(|schema| unless::labels(rule, schema)) {
            labels_known.insert(rule.name.as_str(), labels);
        }
        if let Some(backends) = backends {
            steps::check(rule, backends, &mut problems);
        }
        // Planning holds its thread; ten thousand rules of a reload must not keep others from theirs.
        tokio::task::yield_now().await;
    }
    unless::check(rules, &labels_known, &mut problems);
    problems
}

/// What is wrong with rules beside each other.
pub fn check_together(rules: &RuleSet) -> Vec<Problem> {
    let mut problems = circles(rules);
    problems.extend(shadow::check(rules));
    problems
}
