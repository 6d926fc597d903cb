//! What rules ask of a series' labels: patterns, conditions, and templates that make an id or a name.

use flyball_model::host::{host_of, without_port};
use flyball_model::series::LabelView;
use flyball_model::{MetricRef, SeriesRef};

/// A series as rules see it: its labels without those that the rule ignores.
#[derive(Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub(crate) view: &'a LabelView<'a>,
    pub(crate) series: SeriesRef,
    pub(crate) metric: MetricRef,
    pub(crate) ignore: &'a [String],
}

impl<'a> Labels<'a> {
    /// A label's value; `{host}` and `{__name__}` are made up from the rest.
    fn get(&self, name: &str) -> Option<&'a str> {
        match name {
            "host" => host_of(|name| self.plain(name)),
            "__name__" => Some(self.view.metric_name(self.metric)),
            _ => self.plain(name),
        }
    }

    fn plain(&self, name: &str) -> Option<&'a str> {
        if self.ignore.iter().any(|ignored| ignored == name) {
            return None;
        }
        self.view.label(self.series, name).map(AsRef::as_ref)
    }
}

/// `node_load1`, or `node_*` for all that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Pattern {
    /// Reads a pattern; a `*` may stand at the end only.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_suffix('*') {
            Some(prefix) if !prefix.contains('*') => Ok(Pattern::Prefix(prefix.to_owned())),
            None if !text.contains('*') => Ok(Pattern::Exact(text.to_owned())),
            _ => Err(format!("'{text}' has a * that is not at its end; only prefixes such as node_* can be matched")),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == text,
            Pattern::Prefix(prefix) => text.starts_with(prefix),
        }
    }
}

/// One line of `when`: a label's value is one of some patterns, and none of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    labels: Vec<String>,
    any: Vec<Pattern>,
    none: Vec<Pattern>,
}

impl Condition {
    /// `labels` is `name` or `name|other`, the first that is there; a value with `!` before it must not match.
    pub(crate) fn parse(labels: &str, values: &[String]) -> Result<Self, String> {
        let labels = label_names(labels)?;
        let (mut any, mut none) = (Vec::new(), Vec::new());
        for value in values {
            match value.strip_prefix('!') {
                Some(value) => none.push(Pattern::parse(value)?),
                None => any.push(Pattern::parse(value)?),
            }
        }
        Ok(Self { labels, any, none })
    }

    /// Whether it holds. An absent label is not a value: only a condition made of `!` alone holds for it.
    pub(crate) fn holds(&self, labels: Labels<'_>) -> bool {
        match self.labels.iter().find_map(|name| labels.get(name)) {
            Some(value) => {
                (self.any.is_empty() || self.any.iter().any(|pattern| pattern.matches(value)))
                    && !self.none.iter().any(|pattern| pattern.matches(value))
            }
            None => self.any.is_empty(),
        }
    }
}

/// Text with labels in braces: `{exported_namespace|namespace}/{pod}`. The first label that is there is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Label(Vec<(String, Filter)>),
}

/// What is done to a label's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// As it is.
    None,
    /// `:chop` cuts off the last `-` and what follows: a ReplicaSet's name becomes its Deployment's.
    Chop,
    /// `:host` cuts off the port.
    Host,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let Some(close) = rest[open..].find('}') else {
                return Err(format!("'{text}' opens a brace and does not close it"));
            };
            let names = rest[open + 1..open + close].split('|').map(label_and_filter).collect::<Result<_, _>>()?;
            parts.push(Part::Label(names));
            rest = &rest[open + close + 1..];
        }
        if rest.contains('}') {
            return Err(format!("'{text}' closes a brace that it did not open"));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() { Err("a template must not be empty".to_owned()) } else { Ok(Self(parts)) }
    }

    /// The text when it names no label.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text for a series; `None` when one of its places finds no label, or an empty value.
    pub(crate) fn render(&self, labels: Labels<'_>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Label(names) => {
                    let value = names.iter().find_map(|(name, filter)| Some(filter.apply(labels.get(name)?)))?;
                    if value.is_empty() {
                        return None;
                    }
                    text.push_str(value);
                }
            }
        }
        Some(text)
    }
}

impl Filter {
    fn apply(self, value: &str) -> &str {
        match self {
            Filter::None => value,
            Filter::Chop => value.rsplit_once('-').map_or(value, |(before, _)| before),
            Filter::Host => without_port(value),
        }
    }
}

fn label_and_filter(text: &str) -> Result<(String, Filter), String> {
    let (name, filter) = match text.split_once(':') {
        None => (text, Filter::None),
        Some((name, "chop")) => (name, Filter::Chop),
        Some((name, "host")) => (name, Filter::Host),
        Some((_, other)) => return Err(format!("there is no filter '{other}'; there are chop and host")),
    };
    label_names(name).map(|mut names| (names.remove(0), filter))
}

fn label_names(text: &str) -> Result<Vec<String>, String> {
    text.split('|')
        .map(|name| match flyball_model::name::label_name(name) {
            clean if clean.is_empty() => Err("a label's name must not be empty".to_owned()),
            clean if clean != name => {
                Err(format!("'{name}' is not a label's name here; labels are in Prometheus form, write '{clean}'"))
            }
            _ => Ok(name.to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_model::{SeriesRegistry, UnixNanos};

    fn check<T>(pairs: &[(&str, &str)], ask: impl Fn(Labels<'_>) -> T) -> T {
        let registry = SeriesRegistry::new(1);
        let series = registry
            .resolve("kube_pod_owner", flyball_model::Shape::Numbers, pairs, UnixNanos(0))
            .expect("below the cap");
        let view = registry.labels_in_memory();
        ask(Labels { view: &view, series, metric: view.metric_of(series), ignore: &[] })
    }

    #[test]
    fn a_template_takes_the_first_label_that_is_there() {
        let labels = [("instance", "10.0.0.1:9100"), ("namespace", "shop"), ("owner_name", "web-7f9c")];
        for (template, expected) in [
            ("{exported_namespace|namespace}/{owner_name:chop}", Some("shop/web")),
            ("{instance:host}", Some("10.0.0.1")),
            ("{host}", Some("10.0.0.1")),
            ("{__name__}", Some("kube_pod_owner")),
            ("{namespace}/{pod}", None),
            ("fixed", Some("fixed")),
        ] {
            let template = Template::parse(template).expect("a good template");
            assert_eq!(check(&labels, |labels| template.render(labels)).as_deref(), expected);
        }
    }

    #[test]
    fn broken_templates_are_refused() {
        for template in ["", "{", "a}", "{k8s.pod.name}", "{a:upper}", "{}", "{a|}"] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn conditions_ask_for_values_and_refuse_others() {
        for (label, values, holds) in [
            ("device", &["eth*"][..], true),
            ("device", &["!lo", "!veth*"], true),
            ("device", &["!eth0"], false),
            ("disk|device", &["eth0"], true),
            ("absent", &["*"], false),
            ("absent", &["!x"], true),
        ] {
            let values: Vec<_> = values.iter().map(|&value| value.to_owned()).collect();
            let condition = Condition::parse(label, &values).expect("a good condition");
            assert_eq!(check(&[("device", "eth0")], |labels| condition.holds(labels)), holds, "{label} {values:?}");
        }
        assert!(Pattern::parse("a*b").is_err());
    }
}
