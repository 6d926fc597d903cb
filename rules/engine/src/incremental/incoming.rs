//! What has arrived for the tables of a metric, looked up once for all that are brought up to date together.

use std::cell::{OnceCell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use datafusion::error::Result;
use flyball_model::{SeriesRef, SeriesRegistry};
use flyball_store::Store;

use super::arrived::{Arrived, Following};
use super::by_series::OfSeries;
use super::cells::Cells;
use super::grouping::Grouping;
use super::sliding::Sliding;
use super::texts::{Asking, Found};

/// What has arrived for one metric since tables of it looked last. Tables that have followed up to the same place share what it finds out.
#[derive(Debug, Default)]
pub struct Incoming {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    before: Following,
    after: Following,
    parts: Vec<Part>,
}

/// Points or records, and what was found out about them.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) arrived: Arrived,
    /// Of the series of each: its position in the metric.
    positions: OnceCell<Vec<u32>>,
    places: RefCell<Vec<Places>>,
    /// Of records whose keys are their own.
    cells: RefCell<Vec<Cells>>,
    /// By column of records: what rules ask of its texts.
    texts: RefCell<Vec<(usize, Asking)>>,
}

/// What the series of each point or record is to a grouping.
#[derive(Debug)]
struct Places {
    of: Arc<Grouping>,
    places: Rc<[u32]>,
}

/// What a table has not taken yet.
#[derive(Debug)]
pub(super) struct News<'i> {
    pub(super) parts: &'i [Part],
    /// How many of the first points or records it has taken.
    pub(super) skip: usize,
    /// How far it has followed when it has taken the others.
    pub(super) after: Following,
}

impl Incoming {
    /// What has arrived for a table; `None` when some of that has left memory already.
    pub(super) fn since(&mut self, table: &Following, store: &Store) -> Option<News<'_>> {
        let is_within = |known: &Known| match table.is_of_all() {
            true => (known.before.next()..=known.after.next()).contains(&table.next()),
            // How many of what has arrived lie between two ordinals is not known.
            false => known.before.next() == table.next(),
        };
        if !self.known.as_ref().is_some_and(is_within) {
            let mut after = table.clone();
            let parts = after.follow(store)?.into_iter().map(Part::new).collect();
            self.known = Some(Known { before: table.clone(), after, parts });
        }
        let Known { before, after, parts } = self.known.as_ref()?;
        let skip = usize::try_from(table.next() - before.next()).ok()?;
        Some(News { parts, skip, after: after.clone() })
    }
}

impl Part {
    pub(super) fn new(arrived: Arrived) -> Self {
        Self {
            arrived,
            positions: OnceCell::new(),
            places: RefCell::default(),
            cells: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.arrived.series().len()
    }

    /// The position of the series of each among those of the metric.
    pub(super) fn positions(&self, registry: &SeriesRegistry) -> &[u32] {
        self.positions.get_or_init(|| {
            let view = registry.read();
            self.arrived.series().iter().map(|&series| view.position(SeriesRef(series))).collect()
        })
    }

    /// The series of each.
    pub(super) fn of_series<'p>(&'p self, registry: &'p SeriesRegistry) -> OfSeries<'p> {
        OfSeries { registry, series: self.arrived.series(), positions: self.positions(registry) }
    }

    /// What the series of each is to a grouping.
    pub(super) fn places(&self, grouping: &Arc<Grouping>, registry: &SeriesRegistry) -> Result<Rc<[u32]>> {
        let mut known = self.places.borrow_mut();
        if let Some(known) = known.iter().find(|known| Arc::ptr_eq(&known.of, grouping)) {
            return Ok(Rc::clone(&known.places));
        }
        let places: Rc<[u32]> = grouping.places_of(registry, self.arrived.series(), self.positions(registry))?.into();
        known.push(Places { of: Arc::clone(grouping), places: Rc::clone(&places) });
        Ok(places)
    }

    /// What is known of the cells of the records to tables with this grouping and this window.
    pub(super) fn cells(&self, grouping: &Arc<Grouping>, window: Sliding) -> RefMut<'_, Cells> {
        RefMut::map(self.cells.borrow_mut(), |known| {
            let place = known.iter().position(|cells| cells.are_of(grouping, window)).unwrap_or_else(|| {
                known.push(Cells::new(grouping, window, self.len()));
                known.len() - 1
            });
            &mut known[place]
        })
    }

    /// What is known of the texts of a column of records to a table that asks for it; from the second one on `read` finds it out for all.
    pub(super) fn texts(&self, column: usize, read: impl FnOnce() -> Option<Found>) -> Asking {
        let mut texts = self.texts.borrow_mut();
        match texts.iter_mut().find(|(known, _)| *known == column) {
            Some((_, Asking::Known(found))) => Asking::Known(Rc::clone(found)),
            Some((_, asking)) => {
                *asking = read().map_or(Asking::NotCompiled, |found| Asking::Known(Rc::new(found)));
                asking.clone()
            }
            None => {
                texts.push((column, Asking::First));
                Asking::First
            }
        }
    }
}
