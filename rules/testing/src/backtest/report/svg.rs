//! The timeline as a picture: a row an instance, bars where it was pending and where it fired; with an older version both, one below the other.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;

use super::name_of;
use crate::backtest::{Report, RuleOutcome, Spell};
use crate::report::junit::escape;

/// Rows that are drawn; the other formats have all.
const ROWS_MAX: usize = 300;

const WIDTH: f64 = 1200.0;
const NAMES: f64 = 320.0;
const ROW: f64 = 18.0;
const BAR: f64 = 12.0;
const TOP: f64 = 34.0;

/// Characters of a name that fit before the chart.
const NAME_MAX: usize = 44;

/// Steps of the axis, in seconds: the first that makes at most eight is taken.
const STEPS: [i64; 14] =
    [1, 5, 15, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 30 * 86_400];

const STYLE: &str = "text{font:12px sans-serif;fill:#222}.rule{font-weight:bold}.small{fill:#666;font-size:11px}\
.pending{fill:#f2c14e}.firing{fill:#c0392b}.old{fill:#7f8c8d}.failing{fill:#8e44ad}.grid{stroke:#ddd}";

/// The picture as one SVG document.
pub fn svg(report: &Report) -> String {
    let mut drawing = Drawing { report, rows: String::new(), y: TOP, drawn: 0, left_out: 0 };
    for rule in &report.rules {
        let old = report.old.as_ref().and_then(|old| old.iter().find(|before| before.rule == rule.rule));
        drawing.rule(rule, old);
    }
    let gone = report.old.iter().flatten().filter(|old| report.rules.iter().all(|rule| rule.rule != old.rule));
    gone.for_each(|old| drawing.gone(old));
    if drawing.left_out > 0 {
        let text = format!("and {} more instances; --format json has all", drawing.left_out);
        drawing.line("small", &text);
    }
    let height = drawing.y + 12.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
<title>{}</title>\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}{}</svg>\n",
        escape(&format!("rules from {} to {}", report.from, report.to)),
        drawing.axis(height),
        drawing.rows
    )
}

struct Drawing<'r> {
    report: &'r Report,
    rows: String,
    y: f64,
    drawn: usize,
    left_out: usize,
}

/// One instance's spells in both versions.
type Instance<'r> = (Vec<&'r Spell>, Vec<&'r Spell>);

impl Drawing<'_> {
    /// Where a time lies.
    fn x(&self, at: UnixNanos) -> f64 {
        let (from, to) = (self.report.from.0, self.report.to.0);
        let share = (at.0.clamp(from, to) - from) as f64 / (to - from).max(1) as f64;
        NAMES + share * (WIDTH - NAMES - 10.0)
    }

    fn axis(&self, height: f64) -> String {
        let seconds = self.report.to.since(self.report.from).as_secs().cast_signed();
        let step = STEPS.into_iter().find(|step| seconds / step <= 8).unwrap_or((seconds / 8).max(1));
        let mut axis = String::new();
        let mut at = (self.report.from.0.div_euclid(1_000_000_000) / step + 1) * step;
        while UnixNanos::from_secs(at) <= self.report.to {
            let (x, time) = (self.x(UnixNanos::from_secs(at)), UnixNanos::from_secs(at).to_string());
            let words = time.trim_end_matches('Z').replace('T', " ");
            let words = if step >= 86_400 { &words[..words.len().min(10)] } else { words.get(5..16).unwrap_or(&words) };
            axis.push_str(&format!(
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"22\" x2=\"{x:.1}\" y2=\"{height:.0}\"/>\
<text class=\"small\" x=\"{x:.1}\" y=\"16\" text-anchor=\"middle\">{}</text>\n",
                escape(words)
            ));
            at += step;
        }
        axis
    }

    fn rule(&mut self, rule: &RuleOutcome, old: Option<&RuleOutcome>) {
        let mut instances: BTreeMap<_, Instance<'_>> = BTreeMap::new();
        for spell in &rule.spells {
            instances.entry(&spell.identity).or_default().0.push(spell);
        }
        for spell in old.iter().flat_map(|old| &old.spells) {
            instances.entry(&spell.identity).or_default().1.push(spell);
        }
        let quiet = if instances.is_empty() && rule.failing.is_empty() { ": would not have fired" } else { "" };
        self.line("rule", &format!("{}{quiet}", rule.rule));
        if !rule.failing.is_empty() {
            let bars = rule.failing.iter().map(|failing| {
                let end = failing.until.unwrap_or(self.report.to);
                self.bar(
                    "failing",
                    failing.from,
                    end,
                    BAR,
                    0.0,
                    &format!("could not be evaluated: {}", failing.message),
                )
            });
            let bars = bars.collect::<String>();
            self.row("could not be evaluated", &bars);
        }
        for (new, old) in instances.values() {
            self.instance(new, old);
        }
    }

    fn gone(&mut self, old: &RuleOutcome) {
        self.line("rule", &format!("{}: only among the old rules", old.rule));
        let mut instances: BTreeMap<_, Vec<&Spell>> = BTreeMap::new();
        old.spells.iter().for_each(|spell| instances.entry(&spell.identity).or_default().push(spell));
        instances.values().for_each(|spells| self.instance(&[], spells));
    }

    fn instance(&mut self, new: &[&Spell], old: &[&Spell]) {
        let Some(first) = new.first().or(old.first()) else { return };
        let name = name_of(first);
        let has_old = self.report.old.is_some();
        let height = if has_old { BAR / 2.0 } else { BAR };
        let mut bars = String::new();
        for spell in new {
            bars.push_str(&self.bar("pending", spell.active_at, spell.fired_at, height, 0.0, "pending"));
            bars.push_str(&self.bar("firing", spell.fired_at, spell.end(), height, 0.0, &told(spell)));
        }
        for spell in old {
            let words = format!("before: {}", told(spell));
            bars.push_str(&self.bar("old", spell.fired_at, spell.end(), height, height, &words));
        }
        self.row(&name, &bars);
    }

    fn row(&mut self, name: &str, bars: &str) {
        if self.drawn == ROWS_MAX {
            self.left_out += 1;
            return;
        }
        self.drawn += 1;
        let name = match name.char_indices().nth(NAME_MAX) {
            Some((cut, _)) => format!("{}…", &name[..cut]),
            None => name.to_owned(),
        };
        self.rows.push_str(&format!("<text x=\"18\" y=\"{:.0}\">{}</text>{bars}\n", self.y + BAR - 2.0, escape(&name)));
        self.y += ROW;
    }

    fn line(&mut self, class: &str, text: &str) {
        self.rows.push_str(&format!(
            "<text class=\"{class}\" x=\"8\" y=\"{:.0}\">{}</text>\n",
            self.y + BAR,
            escape(text)
        ));
        self.y += ROW + 2.0;
    }

    fn bar(&self, class: &str, from: UnixNanos, to: UnixNanos, height: f64, below: f64, title: &str) -> String {
        let (x, end) = (self.x(from), self.x(to));
        if from == to && class == "pending" {
            return String::new();
        }
        format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.0}\"><title>{}</title></rect>",
            self.y + below,
            (end - x).max(1.0),
            escape(title)
        )
    }
}

/// What is shown of a bar under the mouse.
fn told(spell: &Spell) -> String {
    format!("{}: {} to {}; {}", name_of(spell), spell.fired_at, spell.end(), spell.summary)
}
