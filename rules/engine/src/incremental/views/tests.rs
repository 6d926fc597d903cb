//! What is kept of rules over joins is what the plan gives, whatever happens to the twin.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::testing::Bench;
use super::super::tests::{Event, event, event_of_logs, run};
use super::super::{Place, Way};
use super::testing::Node;

fn change() -> impl Strategy<Value = Event> {
    let word = |words: &[&'static str]| prop::option::weighted(0.8, prop::sample::select(words.to_vec()));
    let node = (word(&["lab", "roof", "x"]), prop::option::weighted(0.8, -1_i8..10), word(&["1", "2"]));
    let node = node.prop_map(|(site, cores, rack)| Node { site, cores, rack });
    (0..4_usize, prop::option::weighted(0.85, node)).prop_map(|(at, node)| Event::Node(at, node))
}

fn events(of_data: impl Strategy<Value = Event>) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(prop_oneof![2 => of_data, 1 => change()], 1..40)
}

/// What a rule groups by, and how these columns are called in the result.
fn grouped_by(keys: &str) -> (String, String) {
    if keys.is_empty() {
        return Default::default();
    }
    let columns: String = keys.split("; ").enumerate().map(|(at, key)| format!("({key})::text AS k{at}, ")).collect();
    (columns, format!("GROUP BY {}", keys.replace("; ", ", ")))
}

/// A rule whose join stands below its aggregate.
fn rule_below() -> impl Strategy<Value = String> {
    let join = prop::sample::select(vec![
        "m JOIN twin.node n ON n.id = m.host",
        "m JOIN twin.node n ON n.id = m.host",
        "twin.node n JOIN m ON m.host = n.id AND n.site <> m.zone",
        "m LEFT JOIN twin.node n ON n.id = m.host",
        "m JOIN twin.node n ON n.site = m.zone AND n.id = m.host",
        "twin.node n RIGHT JOIN m ON lower(m.host) = n.id AND n.cores > 3",
        "m JOIN twin.node n ON n.id = m.host JOIN twin.node o ON o.id = n.site",
        "m JOIN twin.node n ON n.id = m.host LEFT JOIN twin.node o ON o.id = n.site",
        "m JOIN (VALUES ('a', 4.5), ('b', 2.5)) AS w(host, most) ON w.host = m.host JOIN twin.node n ON n.id = w.host AND n.cores < w.most",
        "m LEFT JOIN (VALUES ('x', 'lab'), ('y', NULL)) AS w(zone, site) ON w.zone = m.zone JOIN twin.node n ON n.id = m.host AND n.site = w.site",
        "m JOIN (SELECT id, upper(site) AS site, cores, labels FROM twin.node WHERE cores > 2) n ON n.id = split_part(m.host, '-', 1)",
    ]);
    let keys = prop::sample::select(vec![
        "",
        "n.id; n.cores",
        "n.id; n.site; n.cores",
        "m.host; n.cores",
        "n.site; n.cores",
        "n.site",
        "m.zone; n.site",
        "n.labels['rack']",
        "coalesce(n.site, m.zone)",
        "m.host || n.id",
    ]);
    let wheres = prop::sample::select(vec![
        "",
        "",
        "AND n.site = 'lab'",
        "AND n.cores > 2",
        "AND n.site IS NULL",
        "AND m.zone || n.site = 'xlab'",
        "AND n.labels['rack'] = '1' AND m.zone = 'x'",
        "AND value > 3 AND n.cores IS NOT NULL",
    ]);
    let aggregate = prop::sample::select(vec!["count(*)", "sum(value)", "avg(value)", "max(value)", "stddev(value)"]);
    let having = prop::sample::select(vec!["", "> n.cores + 0.00001", "< 4.00001", "IS NULL"]);
    let window = prop::sample::select(vec!["1 second", "10 seconds", "1 minute"]);
    (join, keys, wheres, aggregate, having, window).prop_map(|(join, keys, wheres, aggregate, having, window)| {
        let (columns, group) = grouped_by(keys);
        let having = if having.contains("cores") && !keys.contains("cores") { "> 1.00001" } else { having };
        let having = if having.is_empty() { String::new() } else { format!("HAVING {aggregate} {having}") };
        format!(
            "SELECT {columns}{aggregate} AS v FROM {join} \
             WHERE m.time > now() - INTERVAL '{window}' {wheres} {group} {having}"
        )
    })
}

/// A rule whose join stands above its aggregate or range function, or that asks whether there is a row.
fn rule_above() -> impl Strategy<Value = String> {
    let from = prop::sample::select(vec![
        "(SELECT host, zone, avg(value) AS value FROM m WHERE time > now() - INTERVAL '10 seconds' GROUP BY host, zone)",
        "(SELECT host, 'x' AS zone, count(*) AS value FROM m WHERE time > now() - INTERVAL '10 seconds' GROUP BY host HAVING count(*) > 1)",
        "latest(m, INTERVAL '10 seconds')",
        "max_over(m, INTERVAL '10 seconds')",
    ]);
    let rest = prop::sample::select(vec![
        "JOIN twin.node n ON n.id = m.host WHERE m.value > n.cores + 0.00001",
        "JOIN twin.node n ON n.id = m.host AND n.site = 'lab'",
        "JOIN twin.node n ON n.id = m.host WHERE n.site <> m.zone OR m.value < 3",
        "LEFT JOIN twin.node n ON n.id = m.host",
        "LEFT JOIN twin.node n ON n.id = m.host WHERE n.id IS NULL",
        "JOIN twin.node n ON n.id = m.host JOIN twin.node o ON o.id = n.site AND o.cores > m.value",
    ]);
    let exists = prop::sample::select(vec![
        "m.host IN (SELECT id FROM twin.node WHERE cores > 2)",
        "m.host IN (SELECT site FROM twin.node)",
        "EXISTS (SELECT 1 FROM twin.node n WHERE n.id = m.host AND n.labels['rack'] = '1') AND m.value > 2",
        "NOT EXISTS (SELECT 1 FROM twin.node n WHERE n.id = m.host AND n.site = 'lab')",
    ]);
    let grouped = prop::sample::select(vec!["n.site", "n.cores", "m.zone; n.site", "m.host; n.id; n.labels['rack']"]);
    let function = prop::sample::select(vec!["rate", "latest", "count_over"]);
    let grouped = (grouped, function).prop_map(|(keys, function)| {
        let (columns, group) = grouped_by(keys);
        format!(
            "SELECT {columns}sum(m.value) AS v FROM {function}(m, INTERVAL '10 seconds') m \
             JOIN twin.node n ON n.id = m.host AND n.cores > 1 {group} HAVING sum(m.value) > 0.50001"
        )
    });
    let joined = rest.prop_map(|rest| ("n.site, n.labels['rack'] AS rack, n.cores, ", rest.to_owned()));
    let exists = exists.prop_map(|exists| ("", format!("WHERE {exists}")));
    let of_groups = (from, prop_oneof![3 => joined, 1 => exists]).prop_map(|(from, (columns, rest))| {
        format!("SELECT m.host, m.zone, {columns}m.value AS v FROM {from} m {rest}")
    });
    prop_oneof![3 => of_groups, 1 => grouped]
}

/// A rule over log records, whose resources are nodes.
fn rule_of_logs() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "",
        "n.id; n.cores",
        "n.site",
        "l.body; n.site",
        "l.severity_number % 3; n.cores",
        "n.site || l.body",
        "l.resource_body; n.labels['rack']",
    ]);
    let wheres = prop::sample::select(vec![
        "",
        "AND l.severity_number >= 12",
        "AND n.site = 'lab' AND l.body LIKE '%error%'",
        "AND n.cores > 3",
        "AND l.resource_body || n.site <> 'xlab'",
    ]);
    let join = prop::sample::select(vec!["JOIN", "LEFT JOIN"]);
    let having = prop::sample::select(vec!["", "HAVING count(*) > 2", "HAVING max(l.severity_number) < 13"]);
    (keys, wheres, join, having).prop_map(|(keys, wheres, join, having)| {
        let (columns, group) = grouped_by(keys);
        format!(
            "SELECT {columns}count(*) AS v FROM logs l {join} twin.node n ON n.id = l.service_name \
             WHERE l.time > now() - INTERVAL '10 seconds' {wheres} {group} {having}"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn a_rule_over_a_join_that_is_kept_gives_what_the_plan_gives(
        rules in prop::collection::vec(rule_below(), 1..4),
        events in events(event()),
    ) {
        run(rules, events)?;
    }

    #[test]
    fn groups_that_are_joined_give_what_the_plan_gives(
        rules in prop::collection::vec(rule_above(), 1..4),
        events in events(event()),
    ) {
        run(rules, events)?;
    }

    #[test]
    fn records_that_are_joined_give_what_the_plan_gives(
        rules in prop::collection::vec(rule_of_logs(), 1..4),
        events in events(event_of_logs()),
    ) {
        run(rules, events)?;
    }
}

/// Two hosts with a point of 5, and a node for each.
fn two_hosts() -> Bench {
    let bench = Bench::new();
    bench.send(["a", "b"].map(|host| (bench.series(host, "x"), 5.0)));
    node(&bench, 0, "lab", 8);
    node(&bench, 1, "lab", 8);
    bench
}

fn node(bench: &Bench, at: usize, site: &'static str, cores: i8) {
    bench.nodes.put(at, Some(Node { site: Some(site), cores: Some(cores), rack: None }));
}

#[tokio::test]
async fn a_change_of_the_twin_reads_no_point_again_and_wakes_whom_it_concerns() {
    let bench = two_hosts();
    let from = "FROM m JOIN twin.node n ON n.id = m.host WHERE m.time > now() - INTERVAL '1 minute'";
    let loaded = format!("SELECT n.id, avg(m.value) AS v {from} GROUP BY n.id, n.cores HAVING avg(m.value) > n.cores");
    let loaded = bench.keep(&loaded).await;
    let by_site = bench.keep(&format!("SELECT n.site, count(m.value) AS v {from} GROUP BY n.site")).await;
    let plain = "SELECT host, avg(value) AS v FROM m WHERE time > now() - INTERVAL '1 minute' GROUP BY host";
    let plain = bench.keep(plain).await;
    assert!(Arc::ptr_eq(loaded.shared(), plain.shared()), "the join is no matter of the table");
    assert!(matches!(loaded.way(), Way::Incremental { joins, .. } if joins == ["twin.node"]));
    let others = bench.database.incremental().tables_with_joins();
    assert_eq!(others.len(), 2);
    assert_eq!((bench.values(&loaded).await, bench.values(&by_site).await), (vec![], vec![2.0]));

    let advance = |place: &Place| {
        let touched = place.shared().advance(&mut Default::default(), bench.database.store(), bench.now);
        touched.expect("it can be brought up to date").contains(&place.token())
    };
    let _ = (advance(&loaded), advance(&by_site));
    for cores in [7, 6] {
        node(&bench, 0, "lab", cores);
        assert!(!advance(&loaded) && !advance(&by_site) && !advance(&plain), "nobody finds anything else");
    }
    node(&bench, 0, "lab", 4);
    assert_eq!((advance(&loaded), advance(&by_site)), (true, false));
    assert_eq!((bench.values(&loaded).await, bench.values(&by_site).await), (vec![5.0], vec![2.0]));
    node(&bench, 1, "roof", 4);
    assert!(advance(&loaded) && advance(&by_site));
    assert_eq!((bench.values(&loaded).await, bench.values(&by_site).await), (vec![5.0, 5.0], vec![1.0, 1.0]));
    assert_eq!((loaded.shared().size().points, by_site.shared().size().points), (2, 2), "each was taken once");
    drop(loaded);
    assert_eq!(bench.database.incremental().tables_with_joins().len(), 1, "the plain one is left");
}

#[tokio::test]
async fn groups_that_lost_their_parts_are_forgotten() {
    let bench = two_hosts();
    let sql = "SELECT n.site, max(m.value) AS v FROM m JOIN twin.node n ON n.id = m.host \
               WHERE m.time > now() - INTERVAL '1 minute' GROUP BY n.cores, n.site";
    let kept = bench.keep(sql).await;
    let mut bytes = Vec::new();
    for change in 0..10_000_u32 {
        let site: &'static str = Box::leak(format!("site-{change}").into_boxed_str());
        node(&bench, 0, site, 2);
        assert_eq!(bench.values(&kept).await, [5.0, 5.0], "{change}");
        bytes.push(kept.shared().size().bytes);
    }
    assert!(bytes.iter().all(|&bytes| bytes < 1_000_000), "{:?}", bytes.iter().max());
}

#[tokio::test]
async fn what_can_not_be_looked_up_for_groups_is_run_as_a_plan() {
    let bench = two_hosts();
    let window = "m.time > now() - INTERVAL '1 minute'";
    let joined = "FROM m JOIN twin.node n ON n.id = m.host WHERE m.time > now() - INTERVAL '1 minute'";
    for (sql, reason) in [
        (
            format!("SELECT max(m.value) AS v FROM m JOIN twin.node n ON n.site = m.host WHERE {window}"),
            "it may join several rows of twin.node with one; join by twin.node.id",
        ),
        (
            format!("SELECT max(m.value) AS v {joined} AND m.value > n.cores"),
            "\"twin.node.cores < value\" is about single values and what is looked up for them; compare an aggregate with it in HAVING",
        ),
        (
            format!("SELECT max(m.value / n.cores) AS v {joined}"),
            "max(value / twin.node.cores) is over what is looked up; GROUP BY it, and compare with it in HAVING",
        ),
        (
            format!(
                "SELECT n.id, max(m.value) AS v FROM twin.node n LEFT JOIN m ON n.id = m.host AND {window} GROUP BY n.id"
            ),
            "it asks for rows of twin.node that nothing is measured of",
        ),
        (
            format!("SELECT max(m.value) AS v FROM m WHERE {window} AND m.host NOT IN (SELECT id FROM twin.node)"),
            "it has NOT IN; write NOT EXISTS",
        ),
        (
            format!(
                "SELECT max(m.value) AS v FROM m JOIN (VALUES ('a', 1), ('a', 2)) AS w(host, most) ON w.host = m.host WHERE {window}"
            ),
            "it may join several rows of VALUES with one",
        ),
        (
            "SELECT a.host, a.value AS v FROM latest(m) a JOIN latest(m) b ON a.host = b.host".to_owned(),
            "it joins tables, and only joins with tables of the twin and with VALUES are kept incrementally",
        ),
    ] {
        let prepared = bench.database.prepare(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let obstacle = bench.database.keep(&prepared).expect_err(&sql);
        assert_eq!(obstacle.to_string(), reason, "{sql}");
    }
}
