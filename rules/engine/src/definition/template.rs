//! Templates: a `summary` or a `target` with a row's columns filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::LazyLock;

use flyball_model::event::Identity;
use flyball_yaml::Text;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

/// The longest template. A summary is a sentence, and each filter of a longer one could double what the one before gave.
const TEMPLATE_BYTES_MAX: usize = 4 * 1024;
/// The most `*` in a template: of a text they repeat it, up to 100 MB each.
const REPEATS_MAX: usize = 4;
/// What makes much of little; without loops none of it has a use.
const REMOVED_FILTERS: [&str; 10] =
    ["batch", "chain", "format", "groupby", "indent", "map", "reject", "select", "slice", "zip"];
/// The same as functions.
const REMOVED_FUNCTIONS: [&str; 4] = ["range", "dict", "namespace", "debug"];

/// The longest text that a template may give. A summary is a sentence; webhooks and chat take no more.
const RENDERED_BYTES_MAX: usize = 16 * 1024;

/// Names that every template sees besides the row's columns, which win over them.
pub(crate) const BUILT_IN: [&str; 3] = ["rule", "severity", "labels"];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    REMOVED_FILTERS.into_iter().for_each(|name| environment.remove_filter(name));
    REMOVED_FUNCTIONS.into_iter().for_each(|name| environment.remove_global(name));
    environment.add_filter("replace", replace);
    super::humanize::add_filters(&mut environment);
    environment
});

/// A template in Jinja's notation, known to be well-formed.
#[derive(Debug, Clone)]
pub struct Template {
    text: Text,
}

/// What a template is rendered with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The rule's name, as `rule`.
    pub rule: &'a str,
    /// As `severity`.
    pub severity: &'a str,
    /// The violation's labels, as `labels.<name>`.
    pub labels: &'a BTreeMap<String, String>,
    /// The row's string columns, each under its name.
    pub identity: &'a Identity,
    /// The row's numeric columns, each under its name.
    pub values: &'a BTreeMap<String, f64>,
}

/// Why a template can't be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong and the fix.
    pub message: String,
    /// The line of the template, from 1.
    pub line: usize,
}

impl Template {
    /// Reads a template and tries it once, so that an unknown filter is found now and not when something breaks.
    ///
    /// # Errors
    /// What is not Jinja, a filter that does not exist, or a loop.
    pub fn parse(text: Text) -> Result<Self, TemplateError> {
        if text.as_str().len() > TEMPLATE_BYTES_MAX {
            let message = format!(
                "a template has at most {TEMPLATE_BYTES_MAX} bytes; write what is long into a column of the query"
            );
            return Err(TemplateError { message, line: 1 });
        }
        if let Some((at, _)) = text.as_str().match_indices('*').nth(REPEATS_MAX) {
            let line = text.as_str()[..at].matches('\n').count() + 1;
            let message = format!("a template has at most {REPEATS_MAX} '*'; compute in the query");
            return Err(TemplateError { message, line });
        }
        if let Some(line) = line_of_loop(text.as_str()) {
            let message = "a template has no loops; write what varies into columns of the query".to_owned();
            return Err(TemplateError { message, line });
        }
        let template = Self { text };
        ENVIRONMENT.template_from_str(template.text.as_str()).map_err(|error| explain(&error))?;
        let sample = Value::from_pairs(template.variables().into_iter().map(|name| (name, Value::from(1.5))));
        match template.render_value(sample) {
            Err(error) if is_about_the_template(error.kind()) => Err(explain(&error)),
            // Whatever else the made-up values lead to says nothing about real ones.
            _ => Ok(template),
        }
    }

    /// The template as written.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The template filled in. A column that the row has not is empty.
    ///
    /// # Errors
    /// A filter that does not take the row's value, or a result longer than 16 KiB.
    pub fn render(&self, context: Context<'_>) -> Result<String, TemplateError> {
        let built_in = [
            ("rule", Value::from(context.rule)),
            ("severity", Value::from(context.severity)),
            ("labels", Value::from_pairs(context.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))),
        ];
        let identity = context.identity.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        let values = context.values.iter().map(|(name, &value)| (name.as_str(), number(value)));
        self.render_value(Value::from_pairs(built_in.into_iter().chain(identity).chain(values)))
            .map_err(|error| explain(&error))
    }

    fn render_value(&self, value: Value) -> Result<String, minijinja::Error> {
        let mut out = Capped(Vec::new());
        ENVIRONMENT.template_from_str(self.text.as_str())?.render_captured_to(value, &mut out)?;
        Ok(String::from_utf8_lossy(&out.0).into_owned())
    }

    /// The names that the template asks for, sorted, without functions; built-in ones are among them.
    pub(crate) fn variables(&self) -> BTreeSet<String> {
        self.names(false)
    }

    /// The names `x` that the template asks for as `labels.x`.
    pub(crate) fn label_variables(&self) -> BTreeSet<String> {
        self.names(true).into_iter().filter_map(|name| Some(name.strip_prefix("labels.")?.to_owned())).collect()
    }

    fn names(&self, nested: bool) -> BTreeSet<String> {
        let functions: BTreeSet<&str> = ENVIRONMENT.globals().map(|(name, _)| name).collect();
        ENVIRONMENT
            .template_from_str(self.text.as_str())
            .map(|template| template.undeclared_variables(nested))
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !functions.contains(name.as_str()))
            .collect()
    }
}

/// `replace`, which doubles a text with each use, as long as the result is one that a template may give.
fn replace(text: String, from: String, to: String) -> Result<String, minijinja::Error> {
    let times = if from.is_empty() { text.chars().count() + 1 } else { text.matches(&from).count() };
    let grown = to.len().saturating_sub(from.len()).saturating_mul(times);
    if text.len().saturating_add(grown) > RENDERED_BYTES_MAX {
        let message = format!("replace would give more than {RENDERED_BYTES_MAX} bytes");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(text.replace(&from, &to))
}

/// A number as a template sees it: whole ones without `.0`, since a count of replicas is read by people.
fn number(value: f64) -> Value {
    /// Beyond it not every whole number is an `f64`.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX { Value::from(value as i64) } else { Value::from(value) }
}

/// The line of the first loop, if there is one. Nested loops are the only way to make a template run for ever.
fn line_of_loop(text: &str) -> Option<usize> {
    let blocks = text.match_indices("{%").map(|(at, _)| at);
    blocks
        .filter(|at| {
            let inside = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
            inside.strip_prefix("for").is_some_and(|rest| rest.starts_with(char::is_whitespace))
        })
        .map(|at| text[..at].matches('\n').count() + 1)
        .next()
}

fn is_about_the_template(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownMethod
            | ErrorKind::SyntaxError
    )
}

fn explain(error: &minijinja::Error) -> TemplateError {
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::WriteFailure, _) => format!("the text is longer than {RENDERED_BYTES_MAX} bytes"),
        (kind, Some(detail @ "unexpected character")) => {
            format!(
                "{kind}: {detail}; names in templates are of ASCII letters, digits and '_', so rename the column with AS"
            )
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    TemplateError { message, line: error.line().unwrap_or(1) }
}

/// Takes what fits and refuses the rest.
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flyball_yaml::Source;

    use super::*;

    fn template(text: &str) -> Result<Template, TemplateError> {
        Template::parse(Text::new(text.to_owned(), Source::new("t", text), 0..text.len()))
    }

    fn render(text: &str) -> String {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let identity = BTreeMap::from([("deployment".to_owned(), "<web>".to_owned())]);
        let values = BTreeMap::from([("latency_s".to_owned(), 0.4123), ("replicas".to_owned(), 3.0)]);
        let context =
            Context { rule: "R", severity: "critical", labels: &labels, identity: &identity, values: &values };
        match template(text).and_then(|template| template.render(context)) {
            Ok(text) => text,
            Err(error) => format!("{}: {error}", error.line),
        }
    }

    #[test]
    fn columns_labels_and_filters_are_filled_in() {
        assert_eq!(render("{{ deployment }} answers in {{ latency_s | round(2) }} s"), "<web> answers in 0.41 s");
        assert_eq!(
            render("{{ replicas }} of {{ rule }} ({{ severity }}, {{ labels.team }})"),
            "3 of R (critical, shop)"
        );
        assert_eq!(render("[{{ gone }}]{% if latency_s > 0.3 %} slow{% endif %}"), "[] slow");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(render("a\n{{ deployment | shout }}"), "2: unknown filter: filter shout is unknown");
        assert!(render("{{ deployment ").starts_with("1: syntax error"), "{}", render("{{ deployment "));
        assert_eq!(
            render("a\n{%- for i in range(9) %}x{% endfor %}"),
            "2: a template has no loops; write what varies into columns of the query"
        );
        assert_eq!(
            render("{{ 'x' | replace('x', 'long' * 5000) }}"),
            "1: invalid operation: replace would give more than 16384 bytes"
        );
        assert_eq!(render("{{ 'long' * 10000 }}"), "1: the text is longer than 16384 bytes");
    }

    #[test]
    fn the_names_it_asks_for_are_known() {
        let template = template("{{ a }} {{ labels.team }} {% set b = 1 %}{{ b }}").expect("well-formed");
        assert_eq!(template.variables(), BTreeSet::from(["a".to_owned(), "labels".to_owned()]));
        assert_eq!(template.label_variables(), BTreeSet::from(["team".to_owned()]));
    }
}
