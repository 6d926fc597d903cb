//! What rules ask of texts, the bodies of log records first: found out for all of them by reading a text once.
//!
//! A rule's expressions are taken apart into conditions (`condition`), each a column of truth values to what is left of the expression: so AND, OR,
//! NOT and NULL stay DataFusion's. The conditions of all tables on a column are compiled together (`matcher`), and what arrived is read by that
//! as soon as a second table asks for the column; the first one evaluates its own, as a table does that is alone or begins with what is stored.
//!
//! Compiling anew costs, and rules come one by one. So a condition that is not compiled yet is evaluated by itself until that has been done often
//! enough to be worth it, and so is what finds no room.

mod asked;
mod condition;
mod like;
mod matcher;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};

use arrow::array::{BooleanArray, StringArray};
use flyball_model::MetricRef;
use hashbrown::HashMap;
use parking_lot::Mutex;

pub(super) use self::asked::{Asked, Asking, Conditions};
use self::condition::Test;
use self::matcher::{Matcher, Passed};

/// Texts that were read for one condition by itself, for each condition that there is, before all are compiled anew.
const ALONE_MAX: usize = 8;

/// A column of records: the metric of their series, and its place among those that are no labels.
type Column = (MetricRef, usize);

/// The conditions of all tables.
#[derive(Debug, Default)]
pub(super) struct Texts {
    columns: Mutex<HashMap<Column, OfColumn>>,
}

/// A condition that tables ask for.
#[derive(Debug)]
struct Wanted {
    number: u64,
    test: Test,
}

/// The conditions on a column.
#[derive(Debug, Default)]
struct OfColumn {
    wanted: HashMap<Test, Weak<Wanted>>,
    next: u64,
    compiled: Option<Arc<Compiled>>,
    /// Conditions that are not compiled yet.
    fresh: usize,
    /// Texts that were read for one of these by itself.
    alone: usize,
}

/// Conditions that were compiled together.
#[derive(Debug)]
struct Compiled {
    matcher: Matcher,
    /// By number: the place of the condition in the matcher.
    places: HashMap<u64, usize>,
}

/// What was found in a column of what arrived.
#[derive(Debug)]
pub(super) struct Found {
    compiled: Arc<Compiled>,
    passed: Passed,
}

impl Texts {
    fn want(&self, column: Column, test: Test) -> Arc<Wanted> {
        let mut columns = self.columns.lock();
        let of = columns.entry(column).or_default();
        if let Some(known) = of.wanted.get(&test).and_then(Weak::upgrade) {
            return known;
        }
        let wanted = Arc::new(Wanted { number: of.next, test: test.clone() });
        of.next += 1;
        of.fresh += 1;
        of.wanted.insert(test, Arc::downgrade(&wanted));
        wanted
    }

    /// Reads a column for all conditions on it that are compiled; `None` where none is yet.
    fn read(&self, column: Column, texts: &StringArray) -> Option<Found> {
        let compiled = self.columns.lock().get_mut(&column)?.compiled()?;
        let passed = compiled.matcher.read(texts);
        Some(Found { compiled, passed })
    }

    /// So many texts were read for one condition by itself, since it is not compiled.
    fn read_alone(&self, column: Column, texts: usize) {
        if let Some(of) = self.columns.lock().get_mut(&column) {
            of.alone = of.alone.saturating_add(texts);
        }
    }
}

impl OfColumn {
    fn compiled(&mut self) -> Option<Arc<Compiled>> {
        let is_worth_it = self.fresh > 0 && self.alone >= ALONE_MAX * self.wanted.len();
        let gone = || self.wanted.values().filter(|wanted| wanted.strong_count() == 0).count();
        if is_worth_it || self.compiled.is_some() && 2 * gone() > self.wanted.len() {
            self.wanted.retain(|_, wanted| wanted.strong_count() > 0);
            let wanted: Vec<_> = self.wanted.values().filter_map(Weak::upgrade).collect();
            let places = wanted.iter().enumerate().map(|(place, wanted)| (wanted.number, place)).collect();
            let matcher = Matcher::new(wanted.iter().map(|wanted| &wanted.test));
            (self.fresh, self.alone) = (0, 0);
            self.compiled = (matcher.len() > 0).then(|| Arc::new(Compiled { matcher, places }));
        }
        self.compiled.clone()
    }
}

impl Found {
    /// For each text whether it passes the test of a condition; `None` where that was not compiled with the others.
    fn of(&self, wanted: &Wanted) -> Option<BooleanArray> {
        let place = *self.compiled.places.get(&wanted.number)?;
        (!self.compiled.matcher.is_left_out(place)).then(|| self.passed.of(place))
    }

    /// Whether a condition is among those that were compiled, also one that found no room there.
    fn knows(&self, wanted: &Wanted) -> bool {
        self.compiled.places.contains_key(&wanted.number)
    }
}
