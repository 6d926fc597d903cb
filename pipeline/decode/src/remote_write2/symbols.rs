//! The table of symbols.

use super::REQUEST;
use super::refs::Reference;
use crate::error::DecodeError;
use crate::wire::Slice;

/// The most symbols of one request. A request of 100,000 series with ten labels of their own each has this many; without a
/// bound, a body of empty ones would become a table four times its size.
pub const SYMBOLS_MAX: usize = 1 << 20;

/// Where the symbols of a body lie. Borrows nothing, so that its room is kept from body to body.
#[derive(Debug, Default)]
pub struct SymbolPlaces(Vec<(u32, u32)>);

/// The symbols of one body.
#[derive(Debug, Clone, Copy)]
pub struct Symbols<'p, 'a> {
    places: &'p [(u32, u32)],
    body: &'a [u8],
}

impl SymbolPlaces {
    /// Finds all symbols of a body; what was found of an earlier one is forgotten.
    ///
    /// # Errors
    /// When the body is not a message, has more than [`SYMBOLS_MAX`] symbols, or its first symbol is not the empty text.
    pub fn index<'p, 'a>(&'p mut self, body: &'a [u8]) -> Result<Symbols<'p, 'a>, DecodeError> {
        if u32::try_from(body.len()).is_err() {
            return Err(DecodeError::TooLarge { max: u32::MAX as usize, compressed: false });
        }
        self.0.clear();
        for field in Slice::body(body).fields(REQUEST) {
            let field = field?;
            if field.number != 4 {
                continue;
            }
            let symbol = field.slice()?;
            if self.0.is_empty() && !symbol.bytes().is_empty() {
                let found = String::from_utf8_lossy(symbol.bytes()).chars().take(100).collect();
                return Err(DecodeError::FirstSymbol { found });
            }
            if self.0.len() == SYMBOLS_MAX {
                return Err(DecodeError::TooMany { what: "symbols", max: SYMBOLS_MAX });
            }
            // Both fit: the body's length does.
            self.0.push((symbol.offset() as u32, symbol.bytes().len() as u32));
        }
        Ok(Symbols { places: &self.0, body })
    }
}

impl<'a> Symbols<'_, 'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none, not even the empty text.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The text of a reference; UTF-8 if the sender is honest. `None` beyond the table.
    #[inline]
    pub fn get(&self, reference: Reference) -> Option<&'a [u8]> {
        let &(offset, bytes) = self.places.get(reference as usize)?;
        self.body.get(offset as usize..offset as usize + bytes as usize)
    }
}
