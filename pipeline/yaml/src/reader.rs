//! Reading nodes while noting every problem instead of stopping at the first.

use std::collections::HashSet;
use std::sync::Arc;

use crate::problem::{Place, Problem};
use crate::source::{Source, Text};
use crate::tree::{Node, Value};

/// Problems told of one file: enough to mend it, and a hostile file can't fill the screen or the memory.
pub const PROBLEMS_MAX: usize = 200;

/// Looks up what stands for `${NAME}`; `None` when there is no such variable.
pub type Variables = fn(&str) -> Option<String>;

/// Reads the nodes of one file. Whatever it does not return it has noted as a problem.
///
/// In its messages `what` is the thing that is read, as it is to stand in a sentence: `a rule`, `'sql'`, `limits`.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    variables: Option<Variables>,
    problems: Vec<Problem>,
    untold: usize,
}

impl Reader {
    /// For a file whose values are taken as they are written.
    pub fn new(source: Arc<Source>) -> Self {
        Self { source, variables: None, problems: Vec::new(), untold: 0 }
    }

    /// For a file in whose values (not keys) each `${NAME}` is replaced; a variable that is not there is a problem.
    pub fn with_variables(source: Arc<Source>, variables: Variables) -> Self {
        Self { variables: Some(variables), ..Self::new(source) }
    }

    /// What was found wrong, in the order of the file; at most [`PROBLEMS_MAX`] and a word on how many more there are.
    pub fn finish(mut self) -> Vec<Problem> {
        if self.untold > 0 {
            let more = format!("there are {} more problems in this file", self.untold);
            self.problems.push(Problem::error(Place::start_of(self.source.name()), more));
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        self.problems
    }

    /// The file that is read.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Where a node begins.
    pub fn place(&self, node: &Node) -> Place {
        self.source.place(node.range.start)
    }

    /// Notes a problem.
    pub fn note(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.untold += 1;
        }
    }

    /// Notes an error at a node.
    pub fn error(&mut self, node: &Node, message: impl Into<String>) {
        let place = self.place(node);
        self.note(Problem::error(place, message));
    }

    /// Notes an error at a node, and how to mend it.
    pub fn error_with_hint(&mut self, node: &Node, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(node);
        self.note(Problem::error(place, message).hint(hint));
    }

    /// Notes a warning at a node.
    pub fn warning(&mut self, node: &Node, message: impl Into<String>) {
        let place = self.place(node);
        self.note(Problem::warning(place, message));
    }

    /// A mapping's entries whatever their keys; a repeated key is noted.
    pub fn entries<'a>(&mut self, node: &'a Node, what: &str) -> Vec<(Text, &'a Node)> {
        let entries = self.pairs(node, what).unwrap_or_default().iter();
        entries.filter_map(|(key, value)| Some((self.text_at(key, key.as_str()?.to_owned()), value))).collect()
    }

    /// A mapping of words to single values.
    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<(Text, Text)> {
        let entries = self.entries(node, what).into_iter();
        entries
            .filter_map(|(name, value)| {
                let value = self.text(value, &format!("'{}'", name.as_str()))?;
                Some((name, value))
            })
            .collect()
    }

    /// The items of a list.
    pub fn items<'a>(&mut self, node: &'a Node, what: &str) -> &'a [Node] {
        match &node.value {
            Value::List(items) => items,
            other => {
                let hint = format!("begin each item of {what} with '- '");
                self.error_with_hint(node, format!("{what} is a list, and here is {}", other.kind()), hint);
                &[]
            }
        }
    }

    /// A single value as text; an empty one is noted.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<Text> {
        let text = self.single(node, what)?;
        if text.as_str().trim().is_empty() {
            self.error(node, format!("{what} is empty"));
            return None;
        }
        Some(text)
    }

    /// A single value as `parse` reads it; its error is noted behind `what`.
    pub fn parse_node<T>(
        &mut self,
        node: &Node,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.single(node, &format!("'{what}'"))?;
        parse(text.as_str()).map_err(|message| self.error(node, format!("{what}: {message}"))).ok()
    }

    /// Single values as `parse` reads them, without those that are wrong.
    pub fn parse_nodes<T>(&mut self, nodes: &[Node], what: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        nodes.iter().filter_map(|node| self.parse_node(node, what, &parse)).collect()
    }

    /// A finite number that was not quoted.
    pub fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        let number = match &node.value {
            Value::Plain(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        };
        if number.is_none() {
            self.error(node, format!("{what} is a number, like 1.5"));
        }
        number
    }

    /// A mapping's entries; repeated keys and keys that are no words are noted.
    pub(crate) fn pairs<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a [(Node, Node)]> {
        let Value::Map(entries) = &node.value else {
            self.error(node, format!("{what} is a mapping (key: value), and here is {}", node.value.kind()));
            return None;
        };
        let mut seen = HashSet::with_capacity(entries.len());
        for (key, _) in entries {
            match key.as_str() {
                Some(name) if !seen.insert(name) => self.error(key, format!("the key '{name}' stands here twice")),
                Some(_) => {}
                None => self.error(key, format!("a key of {what} is a word, not {}", key.value.kind())),
            }
        }
        Some(entries)
    }

    /// A single value with its variables replaced.
    fn single(&mut self, node: &Node, what: &str) -> Option<Text> {
        let Some(written) = node.as_str() else {
            self.error(node, format!("{what} is a single value, and here is {}", node.value.kind()));
            return None;
        };
        let value = match self.variables.map(|variables| substitute(written, variables)) {
            None => written.to_owned(),
            Some(Ok(value)) => value,
            Some(Err(name)) if !is_name(&name) => {
                let message = format!("{what} has ${{{name}}}, and '{name}' is no name of an environment variable");
                self.error_with_hint(node, message, "write ${NAME} alone; there are no defaults or other operators");
                return None;
            }
            Some(Err(name)) => {
                let message = format!("{what} needs the environment variable {name}, which is not set");
                self.error_with_hint(node, message, "export it, or write the value itself");
                return None;
            }
        };
        Some(self.text_at(node, value))
    }

    fn text_at(&self, node: &Node, value: String) -> Text {
        Text::new(value, Arc::clone(&self.source), node.range.clone())
    }
}

/// Whether an environment variable can have this name in a shell.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Replaces each `${NAME}`. The error is the name that is not there. `${1}` is no variable but a group of a pattern, and stays.
fn substitute(written: &str, variables: Variables) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(before);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            text.push_str(&format!("${{{name}}}"));
        } else {
            text.push_str(&variables(name).ok_or_else(|| name.to_owned())?);
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}
