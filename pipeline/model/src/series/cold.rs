//! Series whose labels are not in memory, and how they are read back.
//!
//! A series that is idle keeps its number, its id and its times in memory; its labels and the strings that only it uses leave, once
//! they stand in an [`Archive`]. A look that wants them names its series first, so that they are read before any lock is taken; what was read
//! belongs to the look and goes with it. So a query over millions of them needs no more memory than its pieces.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use super::inner::Pair;
use super::symbols::{FIRST_READ_BACK, Symbol};
use super::view::RegistryView;
use super::{SeriesRef, series_id};

/// Where the labels of all series stand, for those that are not in memory.
pub trait Archive: fmt::Debug + Send + Sync {
    /// Series with a number below this one are in it, and stay in it whatever happens.
    fn end(&self) -> u32;

    /// Reads the labels of some series, whose numbers rise and are below [`Archive::end`], and hands over each, sorted by name. Blocks.
    ///
    /// # Errors
    /// When they can't be read; some may have been handed over.
    fn read(&self, series: &[SeriesRef], each: &mut EachLabels<'_>) -> Result<(), ColdError>;
}

/// Takes the labels of one series.
pub type EachLabels<'e> = dyn FnMut(SeriesRef, &[(&str, &str)]) + 'e;

/// Labels of series that are not in memory can't be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the labels of idle series can't be read back: {0}")]
pub struct ColdError(pub String);

/// Labels that were read back for one look.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    texts: Vec<Arc<str>>,
    known: HashMap<Arc<str>, Symbol>,
    pairs: Vec<Pair>,
    /// Where the pairs of a series end, and how many they are.
    series: HashMap<SeriesRef, (usize, usize)>,
}

impl ReadBack {
    /// Reads some series, rising.
    pub(super) fn read(&mut self, archive: &dyn Archive, series: &[SeriesRef]) -> Result<(), ColdError> {
        archive.read(series, &mut |series, labels| self.add(series, labels))?;
        match series.iter().find(|&series| !self.has(*series)) {
            Some(missing) => Err(ColdError(format!("series {} is not among them", missing.0))),
            None => Ok(()),
        }
    }

    fn add(&mut self, series: SeriesRef, labels: &[(&str, &str)]) {
        for (name, value) in labels {
            let pair = (self.intern(name), self.intern(value));
            self.pairs.push(pair);
        }
        self.series.insert(series, (self.pairs.len(), labels.len()));
    }

    fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.known.get(text) {
            return symbol;
        }
        let symbol = Symbol(FIRST_READ_BACK | self.texts.len() as u32);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.known.insert(text, symbol);
        symbol
    }

    pub(super) fn has(&self, series: SeriesRef) -> bool {
        self.series.contains_key(&series)
    }

    pub(super) fn pairs(&self, series: SeriesRef) -> Option<&[Pair]> {
        self.series.get(&series).map(|&(end, length)| &self.pairs[end - length..end])
    }

    /// The string of one of its own symbols.
    pub(super) fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.texts[(symbol.0 - FIRST_READ_BACK) as usize]
    }

    pub(super) fn find(&self, text: &str) -> Option<Symbol> {
        self.known.get(text).copied()
    }

    /// The labels of a series as texts; only before [`ReadBack::unify`].
    pub(super) fn labels(&self, series: SeriesRef) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs(series).unwrap_or_default();
        pairs.iter().map(|&(name, value)| (self.text(name).as_ref(), self.text(value).as_ref()))
    }

    /// Whether what was read is what was asked for. The id is a checksum of all labels.
    pub(super) fn check(&self, view: &RegistryView<'_>) -> Result<(), ColdError> {
        let mut labels = Vec::new();
        for &series in self.series.keys() {
            labels.clear();
            labels.extend(self.labels(series));
            if series_id(view.metric_name(view.metric_of(series)), &labels) != view.id(series) {
                return Err(ColdError(format!("what stands there of series {} is not that series", series.0)));
            }
        }
        Ok(())
    }

    /// Has each string that the registry knows under its symbol there, so that equal strings have equal symbols.
    pub(super) fn unify(&mut self, view: &RegistryView<'_>) {
        let own = |at: usize| Symbol(FIRST_READ_BACK | at as u32);
        let symbols = self.texts.iter().enumerate();
        let symbols: Vec<_> =
            symbols.map(|(at, text)| view.inner.symbols.find(text).unwrap_or_else(|| own(at))).collect();
        let unified = |symbol: Symbol| symbols[(symbol.0 - FIRST_READ_BACK) as usize];
        for pair in &mut self.pairs {
            *pair = (unified(pair.0), unified(pair.1));
        }
    }
}
