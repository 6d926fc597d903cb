//! A column of attributes in the making: maps of strings.

use std::sync::Arc;

use arrow::array::{ArrayRef, MapBuilder, StringBuilder};

use super::map_field_names;

/// Collects maps with the type [`super::string_map_type`].
#[derive(Debug)]
pub(super) struct Attributes(MapBuilder<StringBuilder, StringBuilder>);

impl Default for Attributes {
    fn default() -> Self {
        Self::with_capacity(0, 0, 0)
    }
}

impl Attributes {
    /// Room for `maps` maps, and for their `entries` with `bytes` of names, and as many of values.
    pub(super) fn with_capacity(maps: usize, entries: usize, bytes: usize) -> Self {
        let texts = || StringBuilder::with_capacity(entries, bytes);
        Self(MapBuilder::with_capacity(Some(map_field_names()), texts(), texts(), maps))
    }

    /// Appends a map.
    #[inline]
    pub(super) fn push<'t>(&mut self, entries: impl IntoIterator<Item = (&'t str, &'t str)>) {
        for (name, value) in entries {
            self.0.keys().append_value(name);
            self.0.values().append_value(value);
        }
        self.0.append(true).expect("a name was appended with each value");
    }

    /// The column.
    pub(super) fn finish(mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}
