//! What a rule file says, once it was found good.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::action::ActionKind;
use flyball_yaml::{Place, Source, Text};
use serde_json::Value;

use super::flaps::Flaps;
use super::record::Record;
use super::slo::Slo;
use super::template::Template;
use super::unless::Unless;

/// All rules that are in force together.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// In the order of their paths.
    pub files: Vec<RuleFile>,
}

impl RuleSet {
    /// Every rule with its group.
    pub fn rules(&self) -> impl Iterator<Item = (&Group, &Rule)> {
        self.files
            .iter()
            .flat_map(|file| &file.groups)
            .flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
    }
}

/// One file of rules.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// The file as it was named.
    pub name: String,
    /// What it was read from.
    pub source: Arc<Source>,
    /// Its groups, in the order of the file.
    pub groups: Vec<Group>,
}

/// Rules that are evaluated on the same tick.
#[derive(Debug, Clone)]
pub struct Group {
    /// Unique within its file.
    pub name: String,
    /// The tick on which rules run although nothing arrived; default 1 s, at least 100 ms.
    pub every: Duration,
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// A promise: a query that returns what breaks it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique among all rules.
    pub name: String,
    /// The name of its group.
    pub group: String,
    /// 8 hex digits of a hash over everything that changes what the rule means; the summary and the place are left out.
    pub version: String,
    /// Where it stands.
    pub place: Place,
    /// A SELECT; each row is a violation.
    pub sql: Text,
    /// How long a row must stay before it fires; zero fires at once.
    pub for_: Duration,
    /// How long a row must be gone before what it fired is resolved.
    pub keep_firing_for: Duration,
    /// What silence of the tables does; `None` judges a row that is gone as gone, whatever the reason.
    pub no_data: Option<NoData>,
    /// How long evaluations must fail before that is told; zero tells at once.
    pub error_for: Duration,
    /// What counts as flapping; `None` tells every change.
    pub flaps: Option<Flaps>,
    /// While one of these fires, its instances do not.
    pub unless: Vec<Unless>,
    /// Free text; `warning` unless said. A text column `severity` of a row wins over it.
    pub severity: String,
    /// Added to the labels of each violation; they win over the row's own.
    pub labels: BTreeMap<String, String>,
    /// A sentence for people.
    pub summary: Option<Template>,
    /// What a person does about it: a paragraph, or where one stands.
    pub runbook: Option<String>,
    /// What is done about it, in this order.
    pub remediate: Vec<Step>,
    /// What its rows become, where it is a recording rule: it fires nothing then, and of the fields above only `sql` and `labels` are
    /// other than their defaults.
    pub record: Option<Record>,
    /// The objective that it was made for.
    pub slo: Option<Arc<Slo>>,
}

/// What is done when no new point arrives in any table that the rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoData {
    /// What becomes of the instances whose rows went with the silence.
    pub policy: NoDataPolicy,
    /// How long it must be silent before the policy is applied; until then instances keep their state. Default 1 min.
    pub after: Duration,
}

/// What becomes of an instance whose row is gone because nothing arrives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDataPolicy {
    /// It keeps its state until data arrives again.
    Keep,
    /// It resolves.
    Resolve,
    /// It is told as [`State::NoData`](flyball_model::event::State::NoData) until data arrives again; and so is whatever else went silent.
    Fire,
}

impl NoDataPolicy {
    /// All of them.
    pub const ALL: [NoDataPolicy; 3] = [NoDataPolicy::Keep, NoDataPolicy::Resolve, NoDataPolicy::Fire];

    /// The word in rule files.
    pub const fn as_str(self) -> &'static str {
        match self {
            NoDataPolicy::Keep => "keep",
            NoDataPolicy::Resolve => "resolve",
            NoDataPolicy::Fire => "fire",
        }
    }
}

/// One step of a remediation.
#[derive(Debug, Clone)]
pub struct Step {
    /// The backend's name in the configuration.
    pub backend: Text,
    /// What to do.
    pub action: ActionKind,
    /// Where `action` stands.
    pub action_place: Place,
    /// What to do it to: `kind`, `namespace`, `name`, …, each rendered for the row; empty for `notify`.
    pub target: BTreeMap<String, Template>,
    /// By how much; always there for `scale_out` and `scale_in`, never for `notify`.
    pub amount: Option<Amount>,
    /// Never fewer replicas than these.
    pub min: Option<u32>,
    /// Never more replicas than these.
    pub max: Option<u32>,
    /// How long to wait before judging whether it helped; default 1 min.
    pub settle: Duration,
    /// How often to try before the next step; default 1.
    pub attempts: u32,
}

/// By how much the number of replicas changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Multiplied: above 1 for `scale_out`, between 0 and 1 for `scale_in`.
    Factor(f64),
    /// That many more or fewer, at least 1.
    By(u32),
}

impl Step {
    /// `factor` or `by`, `min` and `max`, as far as they are set.
    pub fn params(&self) -> BTreeMap<String, Value> {
        let amount = self.amount.map(|amount| match amount {
            Amount::Factor(factor) => ("factor", Value::from(factor)),
            Amount::By(by) => ("by", Value::from(by)),
        });
        let bounds = [("min", self.min), ("max", self.max)];
        let bounds = bounds.into_iter().filter_map(|(name, bound)| Some((name, Value::from(bound?))));
        amount.into_iter().chain(bounds).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
