//! The columns of a twin's table that rules look up: read anew when the twin has changed, once for all of them.

use std::sync::{Arc, Weak};

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use flyball_model::UnixNanos;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::SystemTable;

/// A table, as it was when it was read last.
#[derive(Debug)]
pub(in super::super) struct Mirror {
    table: Arc<dyn SystemTable>,
    read: Mutex<Read>,
}

/// What was read of a table.
#[derive(Debug, Default)]
struct Read {
    /// What the table's revision was before; `None` before the first time.
    revision: Option<u64>,
    /// The columns that somebody asked for, by their places. One that is what it was before is the same array.
    columns: HashMap<usize, Option<ArrayRef>>,
}

/// The mirrors that there are, by the names of their tables.
#[derive(Debug, Default)]
pub(in super::super) struct Mirrors {
    by_name: Mutex<HashMap<String, Weak<Mirror>>>,
}

impl Mirrors {
    /// That of a table. There is one as long as somebody has it.
    pub(in super::super) fn get(&self, name: &str, table: &Arc<dyn SystemTable>) -> Arc<Mirror> {
        let mut by_name = self.by_name.lock();
        let known = by_name.get(name).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.table, table)) {
            return known;
        }
        let mirror = Arc::new(Mirror { table: Arc::clone(table), read: Mutex::default() });
        by_name.retain(|_, mirror| mirror.strong_count() > 0);
        by_name.insert(name.to_owned(), Arc::downgrade(&mirror));
        mirror
    }
}

impl Mirror {
    /// The revision of the table.
    pub(super) fn revision(&self) -> Option<u64> {
        self.table.revision()
    }

    /// Columns of one moment, by their places in the schema, and a revision that they are not older than.
    pub(super) fn columns(&self, now: UnixNanos, places: &[usize]) -> Result<(Option<u64>, Vec<ArrayRef>), ArrowError> {
        let mut read = self.read.lock();
        let revision = self.table.revision();
        let is_known = |place: &usize| read.columns.get(place).is_some_and(Option::is_some);
        if read.revision != revision || !places.iter().all(is_known) {
            for &place in places {
                read.columns.entry(place).or_default();
            }
            read.take(revision, now, self.table.as_ref())?;
        }
        let columns = places.iter().filter_map(|place| read.columns.get(place).cloned().flatten());
        Ok((revision, columns.collect()))
    }
}

impl Read {
    fn take(&mut self, revision: Option<u64>, now: UnixNanos, table: &dyn SystemTable) -> Result<(), ArrowError> {
        let places: Vec<usize> = self.columns.keys().copied().collect();
        let batch = table.columns(now, &places)?;
        for (place, new) in places.into_iter().zip(batch.columns()) {
            let known = self.columns.entry(place).or_default();
            if known.as_ref().is_none_or(|known| known.as_ref() != new.as_ref()) {
                *known = Some(Arc::clone(new));
            }
        }
        self.revision = revision;
        Ok(())
    }
}
