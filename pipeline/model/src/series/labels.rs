//! A look at the registry with labels.

use std::ops::Deref;
use std::sync::Arc;

use super::SeriesRef;
use super::cold::ReadBack;
use super::symbols::{FIRST_READ_BACK, Symbol};
use super::view::RegistryView;

/// A consistent look at the registry in which the labels can be read of those series that it was taken for; see
/// [`super::SeriesRegistry::labels_of`]. Everything else that a [`RegistryView`] shows is there too.
///
/// A [`Symbol`] of it means its string here and nowhere else.
#[derive(Debug)]
pub struct LabelView<'a> {
    view: RegistryView<'a>,
    /// With symbols of the view where there are any.
    read: ReadBack,
}

impl<'a> LabelView<'a> {
    pub(super) fn new(view: RegistryView<'a>, read: ReadBack) -> Self {
        Self { view, read }
    }

    /// Whether the labels of a series can be read here: it was asked for, or is in memory.
    #[inline]
    pub fn has(&self, series: SeriesRef) -> bool {
        self.find(series).is_some()
    }

    fn find(&self, series: SeriesRef) -> Option<&[(Symbol, Symbol)]> {
        self.view.inner.pairs(series).or_else(|| self.read.pairs(series))
    }

    /// The labels of a series as symbols, sorted by name.
    ///
    /// # Panics
    /// When it does not [have](Self::has) them.
    pub fn label_symbols(&self, series: SeriesRef) -> &[(Symbol, Symbol)] {
        self.find(series).expect("labels are read of series that the look was taken for")
    }

    /// The labels of a series, sorted by name.
    ///
    /// # Panics
    /// When it does not [have](Self::has) them.
    pub fn labels(&self, series: SeriesRef) -> impl Iterator<Item = (&str, &str)> {
        self.label_symbols(series).iter().map(|&(name, value)| (self.text(name).as_ref(), self.text(value).as_ref()))
    }

    /// The value of one label of a series.
    ///
    /// # Panics
    /// When it does not [have](Self::has) them.
    pub fn label(&self, series: SeriesRef, name: &str) -> Option<&Arc<str>> {
        let name = self.symbol(name)?;
        self.label_symbols(series).iter().find(|label| label.0 == name).map(|label| self.text(label.1))
    }

    /// The symbol of a string, if any label name or value is that string.
    pub fn symbol(&self, text: &str) -> Option<Symbol> {
        self.view.inner.symbols.find(text).or_else(|| self.read.find(text))
    }

    /// The string of a symbol.
    #[inline]
    pub fn text(&self, symbol: Symbol) -> &Arc<str> {
        if symbol.0 < FIRST_READ_BACK { self.view.inner.symbols.text(symbol) } else { self.read.text(symbol) }
    }
}

impl<'a> Deref for LabelView<'a> {
    type Target = RegistryView<'a>;

    fn deref(&self) -> &Self::Target {
        &self.view
    }
}
