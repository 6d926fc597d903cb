//! For programs.

use flyball_rules::definition::format_duration;
use serde_json::{Value, json as value};

use super::counts;
use crate::compare::{Failure, Line, Mark};
use crate::run::Timeline;
use crate::test::{Outcome, Verdict};

/// All tests as one document:
///
/// ```json
/// {"passed": 1, "failed": 1, "broken": 0,
///  "tests": [{"name": "slow answers scale out", "file": "rules.yaml", "line": 28, "column": 3, "result": "failed",
///             "evaluations": 151, "seconds": 0.2,
///             "failures": [{"at": "2m30s", "at_seconds": 150.0, "what": "alerts",
///                           "lines": [{"mark": "differs", "expected": "…", "found": "…"}], "notes": []}],
///             "timelines": [{"rule": "HighLatency", "seconds": [0.0, 5.0], "rows": {"": "..", "cluster=a": "pF"}}]}]}
/// ```
///
/// `result` is `passed`, `failed` or `broken`, which has a `reason`; `mark` is `same`, `differs`, `missing` or `unexpected`. The row `""`
/// of a timeline is the rule itself.
pub fn json(verdicts: &[Verdict]) -> Value {
    let (passed, failed, broken) = counts(verdicts);
    let tests: Vec<_> = verdicts.iter().map(test).collect();
    value!({"passed": passed, "failed": failed, "broken": broken, "tests": tests})
}

fn test(verdict: &Verdict) -> Value {
    let mut test = value!({
        "name": verdict.name,
        "file": verdict.place.file,
        "line": verdict.place.line,
        "column": verdict.place.column,
        "result": result(&verdict.outcome),
        "evaluations": verdict.evaluations,
        "seconds": verdict.took.as_secs_f64(),
    });
    match &verdict.outcome {
        Outcome::Passed => {}
        Outcome::Broken(reason) => test["reason"] = value!(reason),
        Outcome::Failed { failures, timelines } => {
            test["failures"] = failures.iter().map(failure).collect();
            test["timelines"] = timelines.iter().map(timeline).collect();
        }
    }
    test
}

fn result(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed { .. } => "failed",
        Outcome::Broken(_) => "broken",
    }
}

fn failure(failure: &Failure) -> Value {
    let lines: Vec<_> = failure
        .lines
        .iter()
        .map(|Line { mark, expected, found }| value!({"mark": word(*mark), "expected": expected, "found": found}))
        .collect();
    value!({
        "at": format_duration(failure.at),
        "at_seconds": failure.at.as_secs_f64(),
        "what": failure.what,
        "lines": lines,
        "notes": failure.notes,
    })
}

fn word(mark: Mark) -> &'static str {
    match mark {
        Mark::Same => "same",
        Mark::Differs => "differs",
        Mark::Missing => "missing",
        Mark::Unexpected => "unexpected",
    }
}

fn timeline(timeline: &Timeline) -> Value {
    let rows: serde_json::Map<String, Value> = timeline.rows().map(|(name, marks)| (name, value!(marks))).collect();
    let seconds: Vec<f64> = timeline.times().iter().map(|at| at.as_secs_f64()).collect();
    value!({"rule": timeline.rule, "seconds": seconds, "rows": rows})
}
