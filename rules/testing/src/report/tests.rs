use serde_json::json as value;

use super::*;
use crate::testing::verdicts;

/// One test that passes, one that fails, one that can't be run.
const FILE: &str = r#"
groups:
- name: g
  every: 5s
  rules:
  - rule: Hot
    sql: SELECT host, max(value) AS celsius FROM room_celsius WHERE time > now() - INTERVAL '10 seconds' GROUP BY host HAVING max(value) > 30
    for: 10s
tests:
- name: fine
  input: [{series: 'room_celsius{host="a"}', every: 5s, values: '20x9'}]
  expect: [{at: 30s, alerts: []}]
- name: too <early>
  input: [{series: 'room_celsius{host="a"}', every: 5s, values: '20x3 35x5 20x9'}]
  expect:
  - {at: 25s, alerts: [{rule: Hot, labels: {host: a}}, {rule: Hot, labels: {host: b}, state: pending}]}
  - {at: 1m, alerts: []}
- name: endless
  input: []
  expect: [{at: 365d, alerts: []}]
"#;

async fn reported() -> Vec<Verdict> {
    let mut verdicts = verdicts(FILE).await;
    verdicts.iter_mut().for_each(|verdict| verdict.took = Duration::from_millis(1500));
    verdicts
}

#[tokio::test]
async fn people_see_what_was_expected_beside_what_was_found_and_how_the_rule_went() {
    let verdicts = reported().await;
    assert_eq!(
        verdicts.iter().map(text).collect::<String>(),
        "\
ok      rules.yaml:10:3  fine
FAILED  rules.yaml:13:3  too <early>
  at 25s, the alerts are not as expected:
      expected             found
    ! Hot{host=a} firing   Hot{host=a} pending celsius=35
    - Hot{host=b} pending  nothing
  Hot: 13 evaluations until 1m, each a character
    host=a  ....ppFFFFFr.
                 ^ 25s
  (. inactive, p pending, F firing, N no data, r resolved, - waits for data, E error)
BROKEN  rules.yaml:18:3  endless
  the test would take up to 6307201 evaluations until 365d, and 1000000 are the most; make 'every' of its groups longer, let fewer 'rules' take part, or make it shorter
"
    );
    assert_eq!(summary(&verdicts), "3 tests in 1 file: 1 passed, 1 failed, 1 broken");
}

#[tokio::test]
async fn programs_get_one_document() {
    let document = json(&reported().await);
    assert_eq!((&document["passed"], &document["failed"], &document["broken"]), (&value!(1), &value!(1), &value!(1)));
    let failed = &document["tests"][1];
    assert_eq!(failed["result"], "failed");
    assert_eq!((&failed["file"], &failed["line"], &failed["column"]), (&value!("rules.yaml"), &value!(13), &value!(3)));
    let failure = &failed["failures"][0];
    assert_eq!(
        (&failure["at"], &failure["at_seconds"], &failure["what"]),
        (&value!("25s"), &value!(25.0), &value!("alerts"))
    );
    assert_eq!(
        failure["lines"][0],
        value!({"mark": "differs", "expected": "Hot{host=a} firing", "found": "Hot{host=a} pending celsius=35"})
    );
    assert_eq!(failed["timelines"][0]["rows"], value!({"": ".............", "host=a": "....ppFFFFFr."}));
    assert!(document["tests"][2]["reason"].is_string() && document["tests"][0].get("failures").is_none());
}

#[tokio::test]
async fn ci_servers_get_a_suite_a_file_and_a_case_a_test() {
    let xml = junit(&reported().await);
    let lines: Vec<_> = xml.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<testsuites name=\"flyball rules test\" tests=\"3\" failures=\"1\" errors=\"1\" time=\"4.500\">",
            "  <testsuite name=\"rules.yaml\" tests=\"3\" failures=\"1\" errors=\"1\" time=\"4.500\">",
            "    <testcase name=\"fine\" classname=\"rules.yaml\" file=\"rules.yaml\" line=\"10\" time=\"1.500\"/>",
            "    <testcase name=\"too &lt;early&gt;\" classname=\"rules.yaml\" file=\"rules.yaml\" line=\"13\" time=\"1.500\">",
        ]
    );
    assert_eq!(
        lines[5],
        "      <failure message=\"alerts not as expected at 25s\">FAILED  rules.yaml:13:3  too &lt;early&gt;"
    );
    assert!(xml.contains("host=a  ....ppFFFFFr.") && xml.contains("<error message=\"the test would take"), "{xml}");
    assert!(xml.ends_with("    </testcase>\n  </testsuite>\n</testsuites>\n"), "{xml}");
}
