//! JUnit's XML, as CI servers read it: a suite a file, a case a test.

use std::time::Duration;

use super::text::text;
use super::{counts, times_of};
use crate::test::{Outcome, Verdict};

/// All tests as one document. A test that failed has a `failure`, one that could not be run an `error`.
pub fn junit(verdicts: &[Verdict]) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"flyball rules test\"{}>\n",
        figures(verdicts)
    );
    for suite in verdicts.chunk_by(|one, other| one.place.file == other.place.file) {
        let file = suite.first().map_or("", |verdict| verdict.place.file.as_str());
        xml.push_str(&format!("  <testsuite name=\"{}\"{}>\n", escape(file), figures(suite)));
        suite.iter().for_each(|verdict| xml.push_str(&case(verdict)));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// What a suite and all suites together tell.
fn figures(verdicts: &[Verdict]) -> String {
    let (_, failed, broken) = counts(verdicts);
    let took: Duration = verdicts.iter().map(|verdict| verdict.took).sum();
    format!(
        " tests=\"{}\" failures=\"{failed}\" errors=\"{broken}\" time=\"{:.3}\"",
        verdicts.len(),
        took.as_secs_f64()
    )
}

fn case(verdict: &Verdict) -> String {
    let mut xml = format!(
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
        escape(&verdict.name),
        escape(&verdict.place.file),
        escape(&verdict.place.file),
        verdict.place.line,
        verdict.took.as_secs_f64()
    );
    let (element, message) = match &verdict.outcome {
        Outcome::Passed => {
            xml.push_str("/>\n");
            return xml;
        }
        Outcome::Broken(why) => ("error", why.clone()),
        Outcome::Failed { failures, .. } => {
            let times: Vec<_> = times_of(verdict).into_iter().map(flyball_rules::definition::format_duration).collect();
            let mut what: Vec<_> = failures.iter().map(|failure| failure.what).collect();
            what.dedup();
            ("failure", format!("{} not as expected at {}", what.join(", "), times.join(", ")))
        }
    };
    xml.push_str(&format!(
        ">\n      <{element} message=\"{}\">{}</{element}>\n    </testcase>\n",
        escape(&message),
        escape(&text(verdict))
    ));
    xml
}

/// Text as XML has it. Characters that XML 1.0 can't have, even escaped, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
