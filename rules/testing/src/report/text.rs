//! For people: a line a test, and of one that failed what was expected beside what was found, and how the rules went.

use flyball_rules::definition::format_duration;

use super::{counted, counts, times_of};
use crate::compare::{Failure, Line};
use crate::test::{Outcome, Verdict};

/// Expected and found stand beside each other as long as both fit a line of this many characters.
const LINE_MAX: usize = 120;

/// Lines of one failure; a rule may have ten thousand alerts.
const LINES_MAX: usize = 40;

/// What came of one test; ends with a line break.
pub fn text(verdict: &Verdict) -> String {
    let Verdict { name, place, outcome, .. } = verdict;
    match outcome {
        Outcome::Passed => format!("ok      {place}  {name}\n"),
        Outcome::Broken(why) => format!("BROKEN  {place}  {name}\n  {why}\n"),
        Outcome::Failed { failures, timelines } => {
            let mut text = format!("FAILED  {place}  {name}\n");
            text.push_str(&failures.iter().map(failure).collect::<String>());
            let times = times_of(verdict);
            for line in timelines.iter().flat_map(|timeline| timeline.chart(&times)) {
                text.push_str(&format!("  {line}\n"));
            }
            if !timelines.is_empty() {
                text.push_str(
                    "  (. inactive, p pending, F firing, N no data, r resolved, - waits for data, E error)\n",
                );
            }
            text
        }
    }
}

/// The last line: `3 tests in 1 file: 2 passed, 1 failed`.
pub fn summary(verdicts: &[Verdict]) -> String {
    let (good, failed, broken) = counts(verdicts);
    let mut files: Vec<_> = verdicts.iter().map(|verdict| verdict.place.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    let mut text = format!("{} in {}: {good} passed", counted(verdicts.len(), "test"), counted(files.len(), "file"));
    for (count, word) in [(failed, "failed"), (broken, "broken")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// A failure without its timelines.
pub(super) fn failure(failure: &Failure) -> String {
    let mut text = format!("  at {}, the {} are not as expected:\n", format_duration(failure.at), failure.what);
    let (lines, more) = failure.lines.split_at(failure.lines.len().min(LINES_MAX));
    let width = |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or_default();
    let (expected_width, found_width) = (width(|line| &line.expected).max("expected".len()), width(|line| &line.found));
    let beside = expected_width + found_width + 6 <= LINE_MAX;
    if beside {
        text.push_str(&format!("      {:expected_width$}  found\n", "expected"));
    }
    for Line { mark, expected, found } in lines {
        let (mark, nothing) = (mark.as_str(), |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned());
        let (expected, found) = (nothing(expected), nothing(found));
        if beside {
            text.push_str(&format!("    {mark} {expected:expected_width$}  {found}\n"));
        } else {
            text.push_str(&format!("    {mark} expected  {expected}\n    {mark} found     {found}\n"));
        }
    }
    if !more.is_empty() {
        text.push_str(&format!("      and {} more\n", more.len()));
    }
    for note in &failure.notes {
        text.push_str(&format!("    {note}\n"));
    }
    text
}
