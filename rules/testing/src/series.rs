//! A series as it is written: `name{label="value",…}`.

use std::collections::BTreeMap;

use flyball_model::name::{label_name, metric_name};

use crate::notation::NotationError;

/// A metric's name and labels, in Prometheus form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeriesName {
    pub(crate) metric: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl SeriesName {
    /// Reads a series.
    ///
    /// # Errors
    /// The first place at which it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, NotationError> {
        let mut rest = Rest { text, at: 0 };
        rest.skip_space();
        let from = rest.at;
        let metric = rest.take_while(|c| !c.is_whitespace() && c != '{');
        if metric.is_empty() {
            return Err(NotationError::new(
                from,
                "a series begins with the metric's name: write name{label=\"value\"}",
            ));
        }
        if metric_name(metric) != metric {
            let good = metric_name(metric);
            let message = format!("'{metric}' is not a metric's name in Prometheus form; write '{good}'");
            return Err(NotationError::new(from, message));
        }
        rest.skip_space();
        let labels = if rest.eat('{') { labels(&mut rest)? } else { BTreeMap::new() };
        rest.skip_space();
        if rest.at < text.len() {
            return Err(NotationError::new(rest.at, "the series has ended here, and more follows"));
        }
        Ok(Self { metric: metric.to_owned(), labels })
    }
}

fn labels(rest: &mut Rest<'_>) -> Result<BTreeMap<String, String>, NotationError> {
    let mut labels = BTreeMap::new();
    loop {
        rest.skip_space();
        if rest.eat('}') {
            return Ok(labels);
        }
        let from = rest.at;
        let name = rest.take_while(|c| c.is_alphanumeric() || c == '_' || c == '.' || c == '-');
        if name.is_empty() {
            return Err(NotationError::new(from, "here stands a label, like job=\"web\", or the closing brace"));
        }
        if label_name(name) != name {
            let message = format!("'{name}' is not a label's name in Prometheus form; write '{}'", label_name(name));
            return Err(NotationError::new(from, message));
        }
        rest.skip_space();
        if !rest.eat('=') {
            return Err(NotationError::new(rest.at, format!("after the label '{name}' stands =\"value\"")));
        }
        rest.skip_space();
        let value = quoted(rest)?;
        // As everywhere in Prometheus' world an empty value is no label.
        if !value.is_empty() && labels.insert(name.to_owned(), value).is_some() {
            return Err(NotationError::new(from, format!("the label '{name}' stands here twice")));
        }
        rest.skip_space();
        if !rest.eat(',') && !rest.text[rest.at..].starts_with('}') {
            return Err(NotationError::new(rest.at, "after a label stands a comma or the closing brace"));
        }
    }
}

/// A value in double or single quotes, in which a backslash escapes.
fn quoted(rest: &mut Rest<'_>) -> Result<String, NotationError> {
    let from = rest.at;
    let quote = match rest.next() {
        Some(quote @ ('"' | '\'')) => quote,
        _ => return Err(NotationError::new(from, "a label's value stands in quotes: label=\"value\"")),
    };
    let mut value = String::new();
    loop {
        match rest.next() {
            None => return Err(NotationError::new(from, "the quote of this value is not closed")),
            Some(c) if c == quote => return Ok(value),
            Some('\\') => match rest.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('\\' | '"' | '\'')) => value.push(c),
                _ => return Err(NotationError::new(rest.at, "a backslash stands before \\, n or a quote only")),
            },
            Some(c) => value.push(c),
        }
    }
}

/// What is left of a text.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<char> {
        let next = self.text[self.at..].chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.text[self.at..].starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let taken = &rest[..rest.find(|c| !keep(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match SeriesName::parse(text) {
            Ok(series) => {
                let labels = series.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
                format!("{} {}", series.metric, labels.collect::<Vec<_>>().join(","))
            }
            Err(error) => format!("{}: {error}", error.offset),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_series_is_read_as_prometheus_writes_it() {
        check("up", "up ");
        check("up{}", "up ");
        check(" a:b { job = \"web\", x='y' ,} ", "a:b job=\"web\",x=\"y\"");
        check(r#"m{path="/a\"b\\\n",e=""}"#, r#"m path="/a\"b\\\n""#);
        check("m{a=\"ü}\"}", "m a=\"ü}\"");
    }

    #[test]
    fn what_is_no_series_says_where() {
        check("{a=\"b\"}", "0: a series begins with the metric's name: write name{label=\"value\"}");
        check("a.b", "0: 'a.b' is not a metric's name in Prometheus form; write 'a_b'");
        check("m{a=b}", "4: a label's value stands in quotes: label=\"value\"");
        check("m{a=\"b", "4: the quote of this value is not closed");
        check("m{a}", "3: after the label 'a' stands =\"value\"");
        check("m{k8s.pod=\"x\"}", "2: 'k8s.pod' is not a label's name in Prometheus form; write 'k8s_pod'");
        check("m{a=\"1\",a=\"2\"}", "8: the label 'a' stands here twice");
        check("m{a=\"1\" b=\"2\"}", "8: after a label stands a comma or the closing brace");
        check("m{a=\"1\"} 5", "9: the series has ended here, and more follows");
        check("m{", "2: here stands a label, like job=\"web\", or the closing brace");
        check(r#"m{a="\d"}"#, "7: a backslash stands before \\, n or a quote only");
    }
}
