//! Mapping rules: what a series' labels say about which entity.
//!
//! A mapping is a YAML list. There are two sorts of rules, told apart by their first key:
//!
//! ```yaml
//! # Which series speak of an entity: the id is made from labels, and a rule whose labels are not there does not apply.
//! - entity: pod
//!   metrics: ["kube_pod_*"]            # default: every metric; * at the end only
//!   when: {owner_kind: ReplicaSet}     # label: value, or a list of values; "a*" begins so, "!a" is not so
//!   ignore: [nodename]                 # labels that this rule does not see
//!   id: "{namespace}/{pod}"            # {a|b} the first label that is there, {a:chop} without the last -…, {a:host} without port,
//!                                      # {host} the host of the series, {__name__} the metric
//!   parents: {node: "{node}"}
//!   labels: [created_by_kind, "label_*"]
//!
//! # Which series give an attribute of the entity that they speak of.
//! - attribute: memory_total_bytes      # may have labels in braces
//!   of: node
//!   metrics: [node_memory_MemTotal_bytes]
//!   unit: By                           # UCUM; default: the metric's own
//!   take: value                        # value | rate (of a counter, per second, between the two latest points)
//!   combine: latest                    # latest | sum | avg | min | max | count over the series of one entity
//!   scale: 1                           # attribute = offset + scale * combined
//!   offset: 0
//!   clamp: [0, 1]
//!   word: phase                        # or: the attribute is the value of this label on the series that is not zero
//!   words: {1: Pending, 2: Running}    # or: the attribute is the word for the number
//! ```
//!
//! A series speaks of at most one entity of a kind: the first rule that applies gives the id. Labels and parents come from
//! every rule that applies and gives the same id. Where several rules give one attribute, the first one whose series are
//! alive wins. A user's rules stand before the built-in ones.

mod labels;
mod read;

use flyball_model::SeriesRef;
use flyball_model::series::LabelView;
use flyball_yaml::Problem;

pub(crate) use labels::Labels;
use labels::{Condition, Pattern, Template};

use crate::kind::EntityKind;

/// The rules that are compiled in.
const BUILTIN: &str = include_str!("../../mapping.yaml");

/// Names that an attribute must not have: columns of every table, tags and fields of every snapshot.
const RESERVED: [&str; 9] =
    ["id", "time", "labels", "attributes", "states", "attribute_times", "updated_at", "first_seen_at", "age_seconds"];

/// All mapping rules of one twin.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub(crate) entities: Vec<EntityRule>,
    pub(crate) attributes: Vec<AttributeRule>,
}

/// Which series an entity or attribute rule looks at.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// Empty means every metric.
    metrics: Vec<Pattern>,
    when: Vec<Condition>,
    ignore: Vec<String>,
}

impl Filter {
    /// Whether a metric's series are looked at.
    pub(crate) fn metric(&self, name: &str) -> bool {
        self.metrics.is_empty() || self.metrics.iter().any(|pattern| pattern.matches(name))
    }

    /// The labels of a series as this rule sees them, if its conditions hold.
    pub(crate) fn series<'a>(&'a self, view: &'a LabelView<'a>, series: SeriesRef) -> Option<Labels<'a>> {
        let labels = Labels { view, series, metric: view.metric_of(series), ignore: &self.ignore };
        self.when.iter().all(|condition| condition.holds(labels)).then_some(labels)
    }
}

/// Which series speak of an entity.
#[derive(Debug, Clone)]
pub(crate) struct EntityRule {
    pub(crate) kind: EntityKind,
    pub(crate) filter: Filter,
    pub(crate) id: Template,
    pub(crate) parents: Vec<(String, Template)>,
    labels: Vec<Pattern>,
}

impl EntityRule {
    /// Whether a label of the series is carried over to the entity.
    pub(crate) fn carries(&self, label: &str) -> bool {
        self.labels.iter().any(|pattern| pattern.matches(label))
    }
}

/// Which series give an attribute.
#[derive(Debug, Clone)]
pub(crate) struct AttributeRule {
    pub(crate) kind: EntityKind,
    pub(crate) filter: Filter,
    pub(crate) name: Template,
    pub(crate) unit: Option<String>,
    pub(crate) formula: Formula,
}

/// How an attribute follows from its series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Formula {
    Number(Number),
    /// The value of this label, on the series that is not zero.
    Word(String),
    /// The word for a number.
    Words(Vec<(f64, String)>),
}

impl Formula {
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Formula::Number(_))
    }
}

/// `offset + scale * combine(take(series)…)`, clamped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    pub(crate) take: Take,
    pub(crate) combine: Combine,
    pub(crate) scale: f64,
    pub(crate) offset: f64,
    pub(crate) clamp: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Value,
    Rate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combine {
    Latest,
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

impl Mapping {
    /// The rules that are compiled in: OpenTelemetry, node_exporter, kube-state-metrics, cAdvisor, Scaphandre, Kepler, ICOS.
    pub fn builtin() -> Mapping {
        read::read("mapping.yaml", BUILTIN).expect("the compiled-in mapping is checked by a test")
    }

    /// These rules with the user's before them, which the file `name` has as `yaml`; once for each file.
    ///
    /// # Errors
    /// All problems of the text, each with its place.
    pub fn extend(self, name: &str, yaml: &str) -> Result<Mapping, Vec<Problem>> {
        let mut first = read::read(name, yaml)?;
        first.entities.extend(self.entities);
        first.attributes.extend(self.attributes);
        Ok(first)
    }
}

/// Whether an attribute may have this name. It becomes a column, a field and a JSON key.
pub(crate) fn attribute_name(kind: EntityKind, name: &str) -> Result<(), String> {
    let taken = RESERVED.contains(&name)
        || kind.columns().iter().any(|(column, source)| {
            *column == name && matches!(source, crate::kind::Source::Parent | crate::kind::Source::Label)
        });
    if taken {
        return Err(format!("an attribute of a {kind} must not be called '{name}': that is a column of its own"));
    }
    if name.is_empty() || name.starts_with('_') || flyball_model::name::label_name(name) != name {
        return Err(format!(
            "'{name}' is not an attribute's name; take letters, digits and _, and begin with a letter"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
