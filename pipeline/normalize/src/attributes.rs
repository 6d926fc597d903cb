//! Attributes of records (log records, spans, their events and links): names as they were sent, values as text.
//!
//! Senders repeat themselves: the attributes of a record mostly have the names of those of the record before, in the same
//! order. Names that were seen in one record are compared with those of the next one, and only what differs is checked.

use std::ops::Range;

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::KeyValue;

use crate::fault::{Fault, Found};
use crate::text::{Text, Texts};

/// Attributes, events and links of one record, together. What is beyond is no telemetry, and each takes room while the
/// record is read.
pub(crate) const RECORD_PARTS_MAX: usize = 1 << 16;

/// Attributes of one scope, its name and version among them. They are compared with those of each record, and copied to it.
const SCOPE_ATTRIBUTES_MAX: usize = 128;

/// Up to so many names are compared each with each; more are sorted.
const COMPARED_MAX: usize = 24;

/// The names of a record's attributes, in their order, each of them once.
#[derive(Debug, Default)]
pub(crate) struct Layout<'a>(Vec<&'a str>);

/// The attributes of one record, in one or several sets. Reused from record to record.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) texts: Texts,
    pairs: Vec<(&'a str, Text<'a>)>,
    names: Vec<&'a str>,
    bytes: usize,
}

impl<'a> Attributes<'a> {
    /// Forgets all attributes and texts, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.pairs.clear();
        self.bytes = 0;
    }

    /// Takes a set of attributes, and gives its place. `layout` is that of the set that this one is probably like.
    pub(crate) fn read(
        &mut self,
        layout: &mut Layout<'a>,
        attributes: impl IntoIterator<Item = Result<KeyValue<'a>, DecodeError>>,
    ) -> Found<'a, Range<usize>> {
        let start = self.pairs.len();
        let mut followed = true;
        for attribute in attributes {
            let KeyValue { key, value } = attribute?;
            let value = self.texts.value(value)?.map_err(|problem| problem.of_label(key))?;
            let name = match layout.0.get(self.pairs.len() - start) {
                Some(&name) if name.as_bytes() == key => name,
                _ => {
                    followed = false;
                    name_of(key)?
                }
            };
            if self.pairs.len() == RECORD_PARTS_MAX {
                return Err(Fault::TooManyParts { max: RECORD_PARTS_MAX }.into());
            }
            self.bytes += name.len() + value.len();
            self.pairs.push((name, value));
        }
        if !followed {
            self.check_unique(start)?;
            layout.0.clear();
            layout.0.extend(self.pairs[start..].iter().map(|pair| pair.0));
        }
        Ok(start..self.pairs.len())
    }

    fn check_unique(&mut self, start: usize) -> Result<(), Fault<'a>> {
        let pairs = &self.pairs[start..];
        let twice = if pairs.len() <= COMPARED_MAX {
            let mut names = pairs.iter().map(|pair| pair.0).enumerate();
            names.find(|(index, name)| pairs[..*index].iter().any(|pair| pair.0 == *name)).map(|(_, name)| name)
        } else {
            self.names.clear();
            self.names.extend(pairs.iter().map(|pair| pair.0));
            self.names.sort_unstable();
            self.names.array_windows().find(|[a, b]| a == b).map(|[name, _]| *name)
        };
        match twice {
            Some(label) => Err(Fault::DuplicateLabel { label }),
            None => Ok(()),
        }
    }

    /// The attributes of a set, and those of its scope that it does not have itself.
    pub(crate) fn of<'t>(
        &'t self,
        set: &Range<usize>,
        scope: &'t ScopeAttributes,
    ) -> impl Iterator<Item = (&'t str, &'t str)> {
        let own = &self.pairs[set.clone()];
        let of_scope = scope.0.iter().filter(move |(name, _)| own.iter().all(|pair| pair.0 != name));
        own.iter()
            .map(|&(name, value)| (name, self.texts.get(value)))
            .chain(of_scope.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// How many attributes there are in all sets.
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Bytes of names and values in all sets.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What an instrumentation scope adds to the attributes of each of its records.
#[derive(Debug, Default)]
pub(crate) struct ScopeAttributes(Vec<(String, String)>);

impl ScopeAttributes {
    /// None.
    pub(crate) const NONE: &'static Self = &Self(Vec::new());

    /// Adds an attribute, unless there is one of this name.
    ///
    /// # Errors
    /// When there are as many as a scope may have.
    pub(crate) fn add(&mut self, name: String, value: &str) -> Result<(), Fault<'static>> {
        if self.0.iter().any(|known| known.0 == name) {
            return Ok(());
        }
        if self.0.len() == SCOPE_ATTRIBUTES_MAX {
            return Err(Fault::TooManyParts { max: SCOPE_ATTRIBUTES_MAX });
        }
        self.0.push((name, value.to_owned()));
        Ok(())
    }

    /// Bytes of names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

fn name_of(key: &[u8]) -> Result<&str, Fault<'_>> {
    match std::str::from_utf8(key) {
        Ok("") => Err(Fault::EmptyLabelName),
        Ok(name) => Ok(name),
        Err(_) => Err(Fault::LabelNotUtf8 { label: key }),
    }
}

#[cfg(test)]
mod tests;
