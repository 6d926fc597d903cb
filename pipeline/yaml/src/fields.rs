//! Reading the values of a mapping by their keys.

use std::time::Duration;

use crate::duration::parse_duration;
use crate::nearest::nearest;
use crate::reader::Reader;
use crate::source::Text;
use crate::tree::{Node, Value};

/// The values of a mapping whose keys are known.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    node: &'a Node,
    /// What the mapping is, as it stands in messages.
    what: &'a str,
}

impl<'a> Fields<'a> {
    /// The value of a key, if the mapping has it.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key)
    }

    /// The mapping itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }
}

impl Reader {
    /// A mapping's fields; unknown and repeated keys are noted.
    pub fn fields<'a>(&mut self, node: &'a Node, what: &'a str, keys: &[&str]) -> Option<Fields<'a>> {
        for (key, _) in self.pairs(node, what)? {
            if let Some(name) = key.as_str()
                && !keys.contains(&name)
            {
                let hint = match nearest(name, keys.iter().copied()) {
                    Some(meant) => format!("did you mean '{meant}'?"),
                    None => format!("the keys are {}", keys.join(", ")),
                };
                self.error_with_hint(key, format!("{what} has no key '{name}'"), hint);
            }
        }
        Some(Fields { node, what })
    }

    /// The same for a mapping that may be left empty: a key of which only the comments below are left.
    pub fn section<'a>(&mut self, node: &'a Node, what: &'a str, keys: &[&str]) -> Option<Fields<'a>> {
        match node.value {
            Value::Null => Some(Fields { node, what }),
            _ => self.fields(node, what, keys),
        }
    }

    /// Notes a key that is not there.
    pub fn require(&mut self, fields: Fields<'_>, key: &str) {
        if fields.get(key).is_none() {
            self.error(fields.node, format!("{} needs '{key}'", fields.what));
        }
    }

    /// A single value as text, which must be there.
    pub fn required(&mut self, fields: Fields<'_>, key: &str) -> Option<Text> {
        self.require(fields, key);
        self.text(fields.get(key)?, &format!("'{key}'"))
    }

    /// A single value as `parse` reads it, if the key is there.
    pub fn parse<T>(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parse_node(fields.get(key)?, key, parse)
    }

    /// A single value as `parse` reads it, which must be there.
    pub fn parse_required<T>(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.require(fields, key);
        self.parse(fields, key, parse)
    }

    /// Puts a single value into `into`, which keeps its default where the key is absent or wrong.
    pub fn set<T>(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        into: &mut T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) {
        if let Some(value) = self.parse(fields, key, parse) {
            *into = value;
        }
    }

    /// A duration, or `default` where the key is absent or wrong.
    pub fn duration(&mut self, fields: Fields<'_>, key: &str, default: Duration) -> Duration {
        self.parse(fields, key, parse_duration).unwrap_or(default)
    }

    /// A whole number from `least` to 2^32 - 1 that was not quoted, if the key is there.
    pub fn whole(&mut self, fields: Fields<'_>, key: &str, least: u32) -> Option<u32> {
        let node = fields.get(key)?;
        let number = match &node.value {
            Value::Plain(text) => text.parse().ok().filter(|&number: &u32| number >= least),
            _ => None,
        };
        if number.is_none() {
            self.error(node, format!("'{key}' is a whole number, at least {least}"));
        }
        number
    }
}
