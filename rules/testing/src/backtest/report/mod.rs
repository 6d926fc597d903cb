//! What came of a backtest: for people, for programs, for CI servers, as a picture.

mod html;
mod json;
mod junit;
mod svg;
mod text;

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use svg::svg;
pub use text::text;

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::event::identity_text;
use flyball_rules::definition::format_duration;
use serde_json::Value;

use super::{Report, Request, RuleOutcome, Spell};
use crate::report::counted;

/// What makes a rule's case fail, and the command with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailOn {
    /// It fired.
    pub firing: bool,
    /// It does something else than its older version.
    pub difference: bool,
}

impl FailOn {
    /// Why a rule is not as it should be; empty when it is. That it can't be evaluated is always a reason.
    pub fn reasons(self, rule: &RuleOutcome, report: &Report) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(failing) = rule.failing.first() {
            reasons.push(format!("it could not be evaluated at {}: {}", failing.from, failing.message));
        }
        if self.firing && rule.fired() {
            reasons.push(format!("it fired, {}", fired(rule)));
        }
        if self.difference {
            let differs = |difference: &super::RuleDifference| difference.rule == rule.rule && difference.differs();
            if report.differences().iter().any(differs) {
                reasons.push("it does something else than its older version".to_owned());
            }
        }
        reasons
    }

    /// Whether everything is as it should be.
    pub fn is_good(self, report: &Report) -> bool {
        report.rules.iter().all(|rule| self.reasons(rule, report).is_empty())
            && (!self.difference || report.differences().iter().all(|difference| !difference.differs()))
    }
}

/// `2 instances 3 times, for 12m30s in all`
fn fired(rule: &RuleOutcome) -> String {
    let times = match rule.spells.len() + rule.more {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    };
    format!("{} {times}, for {} in all", counted(rule.instances(), "instance"), rounded(rule.firing_for()))
}

/// Without the digits that say nothing.
fn rounded(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format_duration(Duration::from_millis(millis))
}

/// `cluster=a,deployment=web`; `{}` for a rule that has one instance.
fn name_of(spell: &Spell) -> String {
    if spell.identity.is_empty() { "{}".to_owned() } else { identity_text(&spell.identity) }
}

/// `k8s: scale_out Deployment shop/web (factor=1.5)`
fn request_text(request: &Request) -> String {
    let of = |name: &str| request.target.get(name).map(String::as_str);
    let name = [of("namespace"), of("name")].into_iter().flatten().collect::<Vec<_>>().join("/");
    let target = [of("kind").unwrap_or_default(), &name].join(" ");
    let params = pairs(&request.params);
    let params = if params.is_empty() { params } else { format!(" ({params})") };
    format!("{}: {} {}{params}", request.backend, request.action.as_str(), target.trim())
}

fn pairs(params: &BTreeMap<String, Value>) -> String {
    params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}
