//! The sketches of all panes, in one place. A number of a pane says where its sketch lies, and nothing is asked of the allocator where one that was
//! given back can be taken.

use super::State;

/// Rows of so many bytes are made into a state, or of as many as the state before has.
const ROWS_BYTES: usize = 1024;

/// Memory that a sketch keeps for its next pane.
const SPARE_BYTES: usize = 256;

/// In front of a row: its length.
const LENGTH: usize = size_of::<u32>();

/// Of the values of a pane, or of several panes.
#[derive(Debug, Default)]
pub(in super::super) struct Sketch {
    /// Rows of arguments, each behind its length.
    rows: Vec<u8>,
    state: Option<Box<State>>,
    /// The input of the layout that it is of.
    input: u32,
    /// Whether it is to be made into a state.
    is_full: bool,
}

/// The sketches of many panes. A number tells where one lies; 0.0 that there is none.
#[derive(Debug, Default)]
pub(in super::super) struct Sketches {
    all: Vec<Sketch>,
    free: Vec<u32>,
    /// Those to be made into states.
    full: Vec<u32>,
    /// Memory beside that of `all`.
    heap_bytes: usize,
}

impl Sketch {
    /// The rows that are in no state yet.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.rows.as_slice();
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<LENGTH>()?;
            let (row, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
            rest = behind;
            Some(row)
        })
    }

    pub(super) fn state(&self) -> Option<&State> {
        self.state.as_deref()
    }

    /// Whether there is a state among them, or they have so many rows that these had better be one.
    pub(in super::super) fn are_much(sketches: &[&Sketch]) -> bool {
        let rows: usize = sketches.iter().map(|sketch| sketch.rows.len()).sum();
        rows >= ROWS_BYTES || sketches.iter().any(|sketch| sketch.state.is_some())
    }

    fn heap_bytes(&self) -> usize {
        self.rows.capacity() + self.state.as_ref().map_or(0, |state| state.bytes + size_of::<State>())
    }
}

impl Sketches {
    /// Memory.
    pub(in super::super) fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<Sketch>() + self.free.capacity() * size_of::<u32>() + self.heap_bytes
    }

    /// The sketch that a number tells.
    pub(in super::super) fn get(&self, word: f64) -> Option<&Sketch> {
        Some(&self.all[place_of(word)? as usize])
    }

    /// Adds a row of arguments to the sketch that a number tells, which is of this input of the layout.
    #[inline]
    pub(in super::super) fn add(&mut self, word: &mut f64, input: usize, row: &[u8]) {
        let place = place_of(*word).unwrap_or_else(|| {
            let place = self.take();
            self.all[place as usize].input = input as u32;
            *word = word_of(place);
            place
        });
        let sketch = &mut self.all[place as usize];
        let before = sketch.rows.capacity();
        sketch.rows.extend_from_slice(&(row.len() as u32).to_le_bytes());
        sketch.rows.extend_from_slice(row);
        self.heap_bytes += sketch.rows.capacity() - before;
        let most = sketch.state.as_ref().map_or(ROWS_BYTES, |state| state.bytes.max(ROWS_BYTES));
        if sketch.rows.len() >= most && !sketch.is_full {
            sketch.is_full = true;
            self.full.push(place);
        }
    }

    /// One with a state; the number that tells it.
    pub(in super::super) fn insert(&mut self, state: State) -> f64 {
        let place = self.take();
        self.set(place, state);
        word_of(place)
    }

    /// Makes a state of each that has many rows.
    ///
    /// # Errors
    /// When `state` has one.
    pub(in super::super) fn fold<E>(&mut self, state: impl Fn(usize, &Sketch) -> Result<State, E>) -> Result<(), E> {
        for place in std::mem::take(&mut self.full) {
            let sketch = &mut self.all[place as usize];
            // It may have been given back since.
            if std::mem::take(&mut sketch.is_full) {
                let state = state(sketch.input as usize, sketch)?;
                self.set(place, state);
            }
        }
        Ok(())
    }

    /// Leaves the rows of all as they are, until they are given back.
    pub(in super::super) fn leave_rows(&mut self) {
        self.full.clear();
    }

    /// Gives back the sketch that a number tells, if it tells one.
    pub(in super::super) fn release(&mut self, word: &mut f64) {
        let Some(place) = place_of(std::mem::take(word)) else { return };
        let sketch = &mut self.all[place as usize];
        self.heap_bytes -= sketch.heap_bytes();
        (sketch.state, sketch.is_full) = (None, false);
        sketch.rows.clear();
        sketch.rows.shrink_to(SPARE_BYTES);
        self.heap_bytes += sketch.heap_bytes();
        self.free.push(place);
    }

    /// Puts a state in the place of everything.
    fn set(&mut self, place: u32, state: State) {
        let sketch = &mut self.all[place as usize];
        self.heap_bytes -= sketch.heap_bytes();
        sketch.rows.clear();
        // Many may have come at once.
        sketch.rows.shrink_to(2 * ROWS_BYTES);
        sketch.state = Some(Box::new(state));
        self.heap_bytes += sketch.heap_bytes();
    }

    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(Sketch::default());
            self.all.len() as u32 - 1
        })
    }
}

fn word_of(place: u32) -> f64 {
    f64::from_bits(u64::from(place) + 1)
}

fn place_of(word: f64) -> Option<u32> {
    word.to_bits().checked_sub(1).map(|place| place as u32)
}
