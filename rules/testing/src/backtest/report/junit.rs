//! JUnit's XML: a suite a file, a case a rule.

use super::FailOn;
use crate::backtest::{Report, RuleOutcome};
use crate::report::junit::escape;

/// All rules as one document. The case of a rule that could not be evaluated is an `error`, of one that did what it must not a `failure`.
pub fn junit(report: &Report, fail_on: FailOn) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"flyball rules backtest\"{} time=\"{:.3}\">\n",
        figures(&report.rules, report, fail_on),
        report.took.as_secs_f64()
    );
    for suite in report.rules.chunk_by(|one, other| one.place.file == other.place.file) {
        let file = suite.first().map_or("", |rule| rule.place.file.as_str());
        xml.push_str(&format!("  <testsuite name=\"{}\"{}>\n", escape(file), figures(suite, report, fail_on)));
        suite.iter().for_each(|rule| xml.push_str(&case(rule, report, fail_on)));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn figures(rules: &[RuleOutcome], report: &Report, fail_on: FailOn) -> String {
    let errors = rules.iter().filter(|rule| !rule.failing.is_empty()).count();
    let bad = rules.iter().filter(|rule| !fail_on.reasons(rule, report).is_empty()).count();
    format!(" tests=\"{}\" failures=\"{}\" errors=\"{errors}\"", rules.len(), bad - errors)
}

fn case(rule: &RuleOutcome, report: &Report, fail_on: FailOn) -> String {
    let mut xml = format!(
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\"",
        escape(&rule.rule),
        escape(&rule.place.file),
        escape(&rule.place.file),
        rule.place.line
    );
    let reasons = fail_on.reasons(rule, report);
    let what = super::text::paragraph(rule);
    if reasons.is_empty() {
        xml.push_str(&format!(">\n      <system-out>{}</system-out>\n    </testcase>\n", escape(&what)));
    } else {
        let element = if rule.failing.is_empty() { "failure" } else { "error" };
        xml.push_str(&format!(
            ">\n      <{element} message=\"{}\">{}</{element}>\n    </testcase>\n",
            escape(&reasons.join("; ")),
            escape(&what)
        ));
    }
    xml
}
