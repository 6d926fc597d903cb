//! `rules check`: everything that can be known to be wrong with rules before they run.
//!
//! | file | looks at |
//! |---|---|
//! | `sql` | the query: its syntax, and with a database its tables and columns |
//! | `templates` | the names that summaries and targets ask for |
//! | `steps` | whether the backends exist and can do what is asked of them |

mod sql;
mod steps;
mod templates;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use flyball_model::action::ActionKind;

use crate::definition::{Problem, RuleSet, dependencies, load_with_problems};
use crate::query::Database;

/// The configured backends by name, and what each can do.
pub type BackendActions = BTreeMap<String, Vec<ActionKind>>;

/// Every problem of these files and folders, sorted by place; warnings too, see [`Problem::is_error`].
///
/// With a database each query is planned against what is known there; a metric that is not known is a warning, since its first
/// point may come later. Without one, queries are parsed only. With backends, each step of a remediation must name one that can
/// do its action.
pub async fn check(paths: &[PathBuf], database: Option<&Database>, backends: Option<&BackendActions>) -> Vec<Problem> {
    let (rules, mut problems) = load_with_problems(paths);
    problems.extend(dependencies(&rules));
    problems.extend(check_rules(&rules, database, backends).await);
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}

/// The same for rules that were read already: what reading could not find.
pub async fn check_rules(
    rules: &RuleSet,
    database: Option<&Database>,
    backends: Option<&BackendActions>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (_, rule) in rules.rules() {
        let schema = match database {
            Some(database) => sql::plan(rule, database, &mut problems).await,
            None => {
                sql::parse(rule, &mut problems);
                None
            }
        };
        templates::check(rule, schema.as_deref(), &mut problems);
        if let Some(backends) = backends {
            steps::check(rule, backends, &mut problems);
        }
    }
    problems
}
