//! Walking several messages as one: paths of fields, and repeated fields.

use std::marker::PhantomData;

use super::{Field, Fields, Slice};
use crate::error::DecodeError;

/// A view that is read from the bytes of a field.
pub trait View<'a>: Sized {
    /// Reads the view.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    fn read(field: Field<'a>) -> Result<Self, DecodeError>;
}

impl<'a> View<'a> for Slice<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        field.slice()
    }
}

/// One step of a path: a field, and the name of the message that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The field's number.
    pub field: u32,
    /// The message's type.
    pub message: &'static str,
}

impl Step {
    /// A step.
    pub const fn new(message: &'static str, field: u32) -> Self {
        Self { field, message }
    }
}

/// All occurrences of a field at the end of a path of `N` fields, in the order they were sent. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Nested<'a, T, const N: usize> {
    path: [Step; N],
    levels: [Fields<'a>; N],
    depth: usize,
    from: usize,
    view: PhantomData<fn() -> T>,
}

impl<'a, T: View<'a>, const N: usize> Nested<'a, T, N> {
    /// Walks `path` from a message.
    pub fn new(message: Slice<'a>, path: [Step; N]) -> Self {
        Self::since(message, path, 0)
    }

    /// Walks `path` from a message and leaves out what lies before the place `from` of the body: what a later field of
    /// the same oneof has overridden.
    pub fn since(message: Slice<'a>, path: [Step; N], from: usize) -> Self {
        let levels = [message.fields(path[0].message); N];
        Self { path, levels, depth: 0, from, view: PhantomData }
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self) {
        self.depth = 0;
        self.levels[0] = Slice::empty().fields(self.path[0].message);
    }

    #[inline]
    fn step(&mut self) -> Result<Option<T>, DecodeError> {
        loop {
            let step = self.path[self.depth];
            match self.levels[self.depth].next().transpose()? {
                None if self.depth == 0 => return Ok(None),
                None => self.depth -= 1,
                Some(field) if field.number != step.field => {}
                Some(field) if self.depth + 1 < N => {
                    self.depth += 1;
                    self.levels[self.depth] = field.slice()?.fields(self.path[self.depth].message);
                }
                Some(field) if field.start < self.from => {}
                Some(field) => return T::read(field).map(Some),
            }
        }
    }
}

impl<'a, T: View<'a>, const N: usize> Iterator for Nested<'a, T, N> {
    type Item = Result<T, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.end();
        }
        step.transpose()
    }
}

/// The occurrences of a repeated field of one message: a slice from the first to the last of them.
///
/// Between them may lie other fields, which are skipped. Mostly there are none, and then [`Repeated::raw`] is the same
/// for the same values in the same order: a key to find them again by.
#[derive(Debug)]
pub struct Repeated<'a, T> {
    span: Slice<'a>,
    step: Step,
    whole: bool,
    view: PhantomData<fn() -> T>,
}

// Derived, these would ask the same of `T`.
impl<T> Clone for Repeated<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Repeated<'_, T> {}

impl<'a, T: View<'a>> Repeated<'a, T> {
    /// All occurrences of a field in the extent of a message.
    #[inline]
    pub(crate) fn new(message: Slice<'a>, extent: Extent, step: Step) -> Self {
        Self { span: extent.of(message), step, whole: !extent.gaps, view: PhantomData }
    }

    /// The bytes from the first occurrence's key to the last occurrence's end, where nothing else lies between.
    #[inline]
    pub const fn raw(self) -> Option<&'a [u8]> {
        if self.whole { Some(self.span.bytes) } else { None }
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.span.bytes.is_empty()
    }

    /// The occurrences.
    pub fn iter(self) -> Nested<'a, T, 1> {
        Nested::new(self.span, [self.step])
    }
}

impl<'a, T: View<'a>> IntoIterator for Repeated<'a, T> {
    type Item = Result<T, DecodeError>;
    type IntoIter = Nested<'a, T, 1>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Collects the extent of a repeated field while its message is walked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    start: usize,
    end: usize,
    gaps: bool,
}

impl Extent {
    /// From one place of the body to another; nothing, where they are the same.
    #[inline]
    pub(crate) fn between(start: usize, end: usize) -> Self {
        if start == end { Self::default() } else { Self { start, end, gaps: false } }
    }

    /// Takes one occurrence in.
    #[inline]
    pub(crate) fn add(&mut self, field: &Field<'_>) {
        if self.end == 0 {
            self.start = field.start;
        } else {
            self.gaps |= self.end != field.start;
        }
        self.end = field.end();
    }

    /// Takes in occurrences that lie right behind, or nothing.
    #[inline]
    pub(crate) fn join(&mut self, behind: Self) {
        if behind.end != 0 {
            debug_assert_eq!(self.end, behind.start, "only what lies next to it");
            self.end = behind.end;
        }
    }

    /// Whether there was no occurrence. One ends after its key, so never at place 0.
    pub(crate) fn is_empty(self) -> bool {
        self.end == 0
    }

    /// The slice from the first to the last occurrence.
    #[inline]
    pub(crate) fn of(self, message: Slice<'_>) -> Slice<'_> {
        if self.is_empty() { Slice::empty() } else { message.between(self.start, self.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_comes_twice_is_walked_as_one() {
        // Field 1 twice, each with field 2 inside, and a stranger between them.
        let bytes = [10, 3, 18, 1, b'a', 24, 9, 10, 6, 18, 1, b'b', 18, 1, b'c'];
        let path = [Step::new("Outer", 1), Step::new("Inner", 2)];
        let walk = |from| {
            Nested::<Slice<'_>, 2>::since(Slice::body(&bytes), path, from)
                .map(|slice| slice.expect("valid").bytes())
                .collect::<Vec<_>>()
        };
        assert_eq!(walk(0), [b"a", b"b", b"c"]);
        assert_eq!(walk(7), [b"b", b"c"]);
    }
}
