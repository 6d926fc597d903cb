//! Repeated numbers, packed into one field or sent one by one. Protobuf allows both, and both in one message.

use std::marker::PhantomData;

use super::{Extent, Field, Fields, Nested, Slice, Step, Value, View};
use crate::error::{DecodeError, WireProblem};

/// How a number is written.
pub trait Scalar {
    /// What it is read as.
    type Value: Copy;

    /// The number of a field of its own.
    ///
    /// # Errors
    /// When the field has another wire type.
    fn one(field: &Field<'_>) -> Result<Self::Value, DecodeError>;

    /// The next number of a packed run. `field` is the run's, for errors.
    ///
    /// # Errors
    /// When the bytes end inside of it.
    fn next(run: &mut Run<'_>, field: u32) -> Result<Self::Value, WireProblem>;
}

/// A fixed64.
#[derive(Debug, Clone, Copy)]
pub enum Fixed64 {}

/// A double.
#[derive(Debug, Clone, Copy)]
pub enum Double {}

/// A uint64.
#[derive(Debug, Clone, Copy)]
pub enum Varint {}

/// A sint64.
#[derive(Debug, Clone, Copy)]
pub enum ZigZag {}

impl Scalar for Fixed64 {
    type Value = u64;

    fn one(field: &Field<'_>) -> Result<u64, DecodeError> {
        field.fixed64()
    }

    #[inline]
    fn next(run: &mut Run<'_>, field: u32) -> Result<u64, WireProblem> {
        run.0.array(field).map(u64::from_le_bytes)
    }
}

impl Scalar for Double {
    type Value = f64;

    fn one(field: &Field<'_>) -> Result<f64, DecodeError> {
        field.double()
    }

    #[inline]
    fn next(run: &mut Run<'_>, field: u32) -> Result<f64, WireProblem> {
        run.0.array(field).map(f64::from_le_bytes)
    }
}

impl Scalar for Varint {
    type Value = u64;

    fn one(field: &Field<'_>) -> Result<u64, DecodeError> {
        field.varint()
    }

    #[inline]
    fn next(run: &mut Run<'_>, _field: u32) -> Result<u64, WireProblem> {
        run.0.varint()
    }
}

impl Scalar for ZigZag {
    type Value = i64;

    fn one(field: &Field<'_>) -> Result<i64, DecodeError> {
        field.varint().map(zigzag)
    }

    #[inline]
    fn next(run: &mut Run<'_>, _field: u32) -> Result<i64, WireProblem> {
        run.0.varint().map(zigzag)
    }
}

/// The integer that sint32 and sint64 write as this varint.
#[inline]
pub(crate) const fn zigzag(varint: u64) -> i64 {
    (varint >> 1) as i64 ^ -((varint & 1) as i64)
}

/// The rest of a packed run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a>(Fields<'a>);

/// A field that is a number, or a run of them.
#[derive(Debug, Clone, Copy)]
struct Piece<'a>(Field<'a>);

impl<'a> View<'a> for Piece<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        Ok(Self(field))
    }
}

/// The numbers of a repeated field at the end of a path of `N` fields.
#[derive(Debug)]
pub struct Numbers<'a, S, const N: usize> {
    message: Slice<'a>,
    path: [Step; N],
    scalar: PhantomData<fn() -> S>,
}

impl<S, const N: usize> Clone for Numbers<'_, S, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, const N: usize> Copy for Numbers<'_, S, N> {}

impl<'a, S: Scalar, const N: usize> Numbers<'a, S, N> {
    /// What lies at the end of `path`, within the extent of the path's first field.
    #[inline]
    pub(crate) fn new(message: Slice<'a>, extent: Extent, path: [Step; N]) -> Self {
        Self { message: extent.of(message), path, scalar: PhantomData }
    }

    /// The numbers.
    pub fn iter(self) -> NumberIter<'a, S, N> {
        NumberIter { pieces: Nested::new(self.message, self.path), run: None, scalar: PhantomData }
    }
}

impl<'a, S: Scalar, const N: usize> IntoIterator for Numbers<'a, S, N> {
    type Item = Result<S::Value, DecodeError>;
    type IntoIter = NumberIter<'a, S, N>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// See [`Numbers::iter`]. Ends after the first error.
#[derive(Debug, Clone)]
pub struct NumberIter<'a, S, const N: usize> {
    pieces: Nested<'a, Piece<'a>, N>,
    run: Option<(Run<'a>, u32)>,
    scalar: PhantomData<fn() -> S>,
}

impl<S: Scalar, const N: usize> NumberIter<'_, S, N> {
    fn step(&mut self) -> Result<Option<S::Value>, DecodeError> {
        loop {
            if let Some((run, field)) = &mut self.run {
                if !run.0.rest.is_empty() {
                    let number = S::next(run, *field);
                    return number.map(Some).map_err(|problem| run.0.error(problem));
                }
                self.run = None;
            }
            let Some(Piece(field)) = self.pieces.next().transpose()? else { return Ok(None) };
            match field.value {
                Value::Bytes(packed) => self.run = Some((Run(packed.fields(field.message)), field.number)),
                _ => return S::one(&field).map(Some),
            }
        }
    }
}

impl Fields<'_> {
    fn error(&self, problem: WireProblem) -> DecodeError {
        DecodeError::Wire { offset: self.place(), message: self.message, problem }
    }
}

impl<S: Scalar, const N: usize> Iterator for NumberIter<'_, S, N> {
    type Item = Result<S::Value, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.run = None;
            self.pieces.end();
        }
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<S: Scalar>(bytes: &[u8]) -> Result<Vec<S::Value>, DecodeError> {
        let mut extent = Extent::default();
        for field in Slice::body(bytes).fields("M") {
            extent.add(&field?);
        }
        Numbers::<S, 1>::new(Slice::body(bytes), extent, [Step::new("M", 1)]).iter().collect()
    }

    #[test]
    fn numbers_are_read_packed_and_one_by_one() {
        // Packed 1 and 150, then 3 alone, a stranger, and a run without numbers.
        assert_eq!(numbers::<Varint>(&[10, 3, 1, 0x96, 1, 8, 3, 16, 9, 10, 0, 10, 1, 4]), Ok(vec![1, 150, 3, 4]));
        assert_eq!(numbers::<ZigZag>(&[10, 4, 0, 1, 2, 3]), Ok(vec![0, -1, 1, -2]));
        let mut doubles = vec![10, 16];
        doubles.extend([1.5_f64, -0.0].map(f64::to_le_bytes).concat());
        assert_eq!(numbers::<Double>(&doubles), Ok(vec![1.5, -0.0]));
        assert_eq!(numbers::<Fixed64>(&[9, 7, 0, 0, 0, 0, 0, 0, 0]), Ok(vec![7]));
        assert_eq!(zigzag(u64::MAX), i64::MIN);
    }

    #[test]
    fn a_run_that_ends_inside_a_number_is_an_error_with_its_place() {
        let error = numbers::<Fixed64>(&[10, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]).expect_err("cut off").to_string();
        assert_eq!(error, "byte 10, in M: field 1 needs 8 bytes and 1 are left");
        let error = numbers::<Varint>(&[10, 1, 0x80]).expect_err("cut off").to_string();
        assert_eq!(error, "byte 2, in M: the bytes end inside a number");
        assert!(numbers::<Varint>(&[9, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "a fixed64 is no varint");
    }
}
