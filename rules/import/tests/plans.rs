//! What is written is a rule file that flyball takes, and its queries are planned and run.

use flyball_model::UnixNanos;
use flyball_rules::check::check_rules;
use flyball_rules::definition::{RuleSet, from_str};
use flyball_rules::{Database, QueryLimits};
use flyball_rules_import::{System, import};
use flyball_store::{Store, StoreOptions};

const FILES: [(System, &str); 7] = [
    (System::Prometheus, include_str!("../../../dashboards/alerts.yaml")),
    (System::Prometheus, include_str!("data/recorded-twice.yaml")),
    (System::Icos, include_str!("data/icos-policies.yaml")),
    (System::Icos, include_str!("data/icos-policy.json")),
    (System::Class, include_str!("data/class-qos.json")),
    (System::Class, include_str!("data/class-task.json")),
    (System::Class, include_str!("data/class-agreement.json")),
];

#[tokio::test]
async fn imported_files_are_good_rule_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
    let database = Database::new(store, QueryLimits::default());
    for (at, (system, text)) in FILES.into_iter().enumerate() {
        let imported = import(system, "theirs", text).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert!(imported.translated > 0 && imported.translated + imported.refused.len() == imported.total, "{at}");
        let file =
            from_str("ours", &imported.yaml).unwrap_or_else(|problems| panic!("{problems:#?}\n{}", imported.yaml));
        let rules = RuleSet { files: vec![file] };
        let problems = check_rules(&rules, Some(&database), None).await;
        assert!(problems.iter().all(|problem| !problem.is_error()), "{problems:#?}\n{}", imported.yaml);
        for (_, rule) in rules.rules() {
            let rows = database.query(rule.sql.as_str(), UnixNanos::from_secs(1_767_225_600)).await;
            rows.unwrap_or_else(|error| panic!("{}: {error}\n{}", rule.name, rule.sql.as_str()));
        }
    }
}

#[test]
fn all_of_our_own_alerts_are_translated() {
    let imported = import(System::Prometheus, "alerts", FILES[0].1).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(imported.refused, []);
}
