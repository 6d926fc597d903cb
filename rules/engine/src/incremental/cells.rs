//! Which pane of which group a record belongs to. A key costs more than a predicate, and to find a pane more than an addition: both are found out
//! once for all tables that group alike and move in the same steps, of those records alone that one of them keeps, and all records of a pane are
//! added together.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::grouping::Grouping;
use super::sliding::Sliding;

/// The cell of a record that no table has asked for.
const NOT_ASKED: u32 = u32::MAX;

/// A pane of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    pub(super) group: u32,
    pub(super) pane: i64,
}

/// The cells of the records of a part.
#[derive(Debug)]
pub(super) struct Cells {
    grouping: Arc<Grouping>,
    /// Tables with another one that moves in the same steps have the same panes.
    window: Sliding,
    of_records: Vec<u32>,
    cells: Vec<Cell>,
    numbers: HashMap<Cell, u32>,
}

/// Records by their cells.
#[derive(Debug)]
pub(super) struct ByCell {
    cells: Vec<(Cell, Range<usize>)>,
    rows: Vec<u32>,
}

impl Cells {
    /// Nothing is known of so many records.
    pub(super) fn new(grouping: &Arc<Grouping>, window: Sliding, records: usize) -> Self {
        Self {
            grouping: Arc::clone(grouping),
            window,
            of_records: vec![NOT_ASKED; records],
            cells: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Whether they are those of a table with this grouping and this window.
    pub(super) fn are_of(&self, grouping: &Arc<Grouping>, window: Sliding) -> bool {
        Arc::ptr_eq(&self.grouping, grouping) && self.window.has_panes_of(window)
    }

    /// Those of some records whose cell is not known.
    pub(super) fn unknown(&self, rows: &[u32]) -> impl Iterator<Item = u32> {
        rows.iter().copied().filter(|&row| self.of_records[row as usize] == NOT_ASKED)
    }

    /// A record is of this cell.
    pub(super) fn know(&mut self, row: u32, cell: Cell) {
        let new = self.cells.len() as u32;
        let number = *self.numbers.entry(cell).or_insert(new);
        if number == new {
            self.cells.push(cell);
        }
        self.of_records[row as usize] = number;
    }

    /// Those of some records whose cell is known, by cell; those of one cell stay in order.
    pub(super) fn sort(&self, rows: &[u32]) -> ByCell {
        let cell_of = |row: u32| self.of_records[row as usize] as usize;
        let known = || rows.iter().copied().filter(|&row| self.of_records[row as usize] != NOT_ASKED);
        // Where the records of each cell begin, and where those of the last one end.
        let mut starts = vec![0; self.cells.len() + 1];
        known().for_each(|row| starts[cell_of(row) + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let ranges = starts.windows(2).map(|pair| pair[0]..pair[1]);
        let cells = self.cells.iter().copied().zip(ranges).filter(|(_, rows)| !rows.is_empty()).collect();
        let mut sorted = vec![0; starts[self.cells.len()]];
        for row in known() {
            let next = &mut starts[cell_of(row)];
            sorted[*next] = row;
            *next += 1;
        }
        ByCell { cells, rows: sorted }
    }
}

impl ByCell {
    /// Each cell with its records.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Cell, &[u32])> {
        self.cells.iter().map(|(cell, rows)| (*cell, &self.rows[rows.clone()]))
    }
}
