//! What the tests of this crate share: a rule file's text in, its verdicts out.

use std::sync::Arc;

use flyball_model::WallClock;
use flyball_rules::definition::{RuleSet, from_str};
use flyball_rules::query::{Database, QueryLimits};
use flyball_runtime::TableSources;
use flyball_store::Store;
use flyball_twin::Twin;

use crate::{Verdict, in_scope, read, report, run};

/// As the program opens it.
pub(crate) fn open(store: &Arc<Store>, twin: &Arc<Twin>) -> Database {
    let database = Database::new(Arc::clone(store), QueryLimits::default());
    let sources = TableSources { twin: Arc::clone(twin), ..TableSources::empty(Arc::clone(store)) };
    sources.register(&database);
    database
}

/// Runs every test of a rule file that is good.
pub(crate) async fn verdicts(text: &str) -> Vec<Verdict> {
    let file = from_str("rules.yaml", text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let set = RuleSet { files: vec![file] };
    let (tests, problems) = read(&set.files[0], &set);
    assert!(problems.is_empty(), "{problems:#?}");
    let mut verdicts = Vec::new();
    for test in &tests {
        verdicts.push(run(test, &in_scope(&set.files[0], &set), &open, &WallClock::default()).await);
    }
    verdicts
}

/// The report of the file's tests.
pub(crate) async fn report_of(text: &str) -> String {
    verdicts(text).await.iter().map(report::text).collect()
}
