//! For people: a paragraph a rule, what two versions do otherwise, totals.

use flyball_rules::definition::format_duration;

use super::{fired, name_of, request_text, rounded};
use crate::backtest::{Change, Report, RuleDifference, RuleOutcome, Spell};
use crate::compare::numbers;
use crate::report::counted;

/// Lines of one rule; it may have fired ten thousand times. The other formats have all.
const LINES_MAX: usize = 40;

/// The whole report; ends with a line break.
pub fn text(report: &Report) -> String {
    let mut text: String = report.notes.iter().map(|note| format!("note: {note}\n")).collect();
    report.rules.iter().for_each(|rule| text.push_str(&paragraph(rule)));
    if report.old.is_some() {
        text.push_str(&against(&report.differences()));
    }
    text.push_str(&totals(report));
    text
}

pub(super) fn paragraph(rule: &RuleOutcome) -> String {
    let mut text = format!("{}  {}  {}\n", rule.rule, rule.place, headline(rule));
    let mut lines: Vec<String> = Vec::new();
    for failing in &rule.failing {
        let until = failing.until.map_or_else(|| "the end".to_owned(), |until| until.to_string());
        lines.push(format!("  could not be evaluated from {} until {until}: {}", failing.from, failing.message));
    }
    let width = rule.spells.iter().map(|spell| name_of(spell).chars().count()).max().unwrap_or_default().min(60);
    for spell in &rule.spells {
        lines.push(format!("  {:width$}  {}{}", name_of(spell), stretch(spell), numbers(&spell.values)));
        for request in &spell.requests {
            let held = request.held_back.as_ref().map_or_else(String::new, |why| format!("; held back: {why}"));
            lines.push(format!("  {:width$}    would ask {}{held}", "", request_text(request)));
        }
    }
    let left = lines.len().saturating_sub(LINES_MAX) + rule.more;
    lines.truncate(LINES_MAX);
    lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    if left > 0 {
        text.push_str(&format!(
            "  and {left} more; --format json has {}\n",
            if rule.more > 0 { "most of them" } else { "all" }
        ));
    }
    text
}

fn headline(rule: &RuleOutcome) -> String {
    let mut parts = Vec::new();
    match &rule.waits_for {
        Some(table) => parts.push(format!("waited for the first point of {table}")),
        None if rule.fired() => parts.push(format!("would have fired: {}", fired(rule))),
        None => parts.push("would not have fired".to_owned()),
    }
    let (asked, held) = rule.requests();
    if asked > 0 {
        parts.push(counted(asked, "request"));
    }
    if held > 0 {
        parts.push(format!("{} held back", counted(held, "request")));
    }
    if rule.pending > 0 {
        parts.push(format!("{} pending at the end", rule.pending));
    }
    parts.join("; ")
}

/// `2026-01-01T00:02:15Z for 5m30s`
fn stretch(spell: &Spell) -> String {
    let end = if spell.resolved_at.is_none() { ", and still at the end" } else { "" };
    let silent = if spell.no_data { ", without data" } else { "" };
    format!("{} for {}{end}{silent}", spell.fired_at, rounded(spell.lasted()))
}

fn against(differences: &[RuleDifference]) -> String {
    let mut text = "\nagainst the older version (+ only now, - only before, ! at other times):\n".to_owned();
    let mut same = 0;
    for difference in differences {
        if !difference.differs() {
            same += 1;
            continue;
        }
        let only = difference.only.map_or_else(String::new, |which| format!("  (only among the {which} rules)"));
        text.push_str(&format!("{}{only}\n", difference.rule));
        for change in difference.changes.iter().take(LINES_MAX) {
            text.push_str(&match change {
                Change::Added(spell) => format!("  + {}  {}\n", name_of(spell), stretch(spell)),
                Change::Removed(spell) => format!("  - {}  {}\n", name_of(spell), stretch(spell)),
                Change::Moved { old, new } => {
                    format!("  ! {}  {}; before: {}\n", name_of(new), stretch(new), stretch(old))
                }
            });
        }
        if difference.changes.len() > LINES_MAX {
            text.push_str(&format!("  and {} more\n", difference.changes.len() - LINES_MAX));
        }
        if difference.same > 0 {
            text.push_str(&format!("  = {} the same\n", difference.same));
        }
    }
    text.push_str(&format!("{} the same in both\n", counted(same, "rule")));
    text
}

fn totals(report: &Report) -> String {
    let fired = report.rules.iter().filter(|rule| rule.fired()).count();
    let failing = report.rules.iter().filter(|rule| !rule.failing.is_empty()).count();
    let failing = if failing == 0 { String::new() } else { format!(", {failing} could not be evaluated") };
    format!(
        "\n{} from {} to {}, every {}: {fired} would have fired{failing}\n{} of {} in {:.1} s, {:.0} times real time\n",
        counted(report.rules.len(), "rule"),
        report.from,
        report.to,
        format_duration(report.every),
        counted(report.evaluations, "evaluation"),
        counted(usize::try_from(report.points).unwrap_or(usize::MAX), "point"),
        report.took.as_secs_f64(),
        report.speed(),
    )
}
