//! Interned strings: label names and values, each as long as somebody uses it.

use std::sync::Arc;

use hashbrown::HashMap;

/// The dense number of an interned string (a label's name or value). It is that string's for the time of one look at the registry: when the
/// last series with the string leaves the memory, the number is given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Symbol(pub u32);

/// What a string takes beside its text: its two counters, its places in the list and in the index, the allocation.
const SYMBOL_BYTES: usize = 16 + 24 + 28 + 16;

/// Numbers from here on are those of strings that were read back for one look, see [`super::cold::ReadBack`].
pub(super) const FIRST_READ_BACK: u32 = 1 << 31;

/// The strings.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    entries: Vec<Entry>,
    known: HashMap<Arc<str>, Symbol>,
    free: Vec<Symbol>,
    nothing: Option<Arc<str>>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    text: Arc<str>,
    uses: u64,
}

impl Symbols {
    /// The symbol of a string, with one more use of it.
    pub(super) fn take(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.known.get(text) {
            self.entries[symbol.0 as usize].uses += 1;
            return symbol;
        }
        let entry = Entry { text: text.into(), uses: 1 };
        self.bytes += SYMBOL_BYTES + text.len();
        let text = Arc::clone(&entry.text);
        let symbol = match self.free.pop() {
            Some(symbol) => {
                self.entries[symbol.0 as usize] = entry;
                symbol
            }
            None => {
                let number = u32::try_from(self.entries.len()).ok().filter(|&number| number < FIRST_READ_BACK);
                self.entries.push(entry);
                Symbol(number.expect("strings of 84 bytes and more are bounded by memory, far below 2^31"))
            }
        };
        self.known.insert(text, symbol);
        symbol
    }

    /// One more use of a string that is there.
    pub(super) fn hold(&mut self, symbol: Symbol) {
        self.entries[symbol.0 as usize].uses += 1;
    }

    /// One use less; without any the string is forgotten.
    pub(super) fn give_back(&mut self, symbol: Symbol) {
        let entry = &mut self.entries[symbol.0 as usize];
        entry.uses -= 1;
        if entry.uses == 0 {
            let nothing = Arc::clone(self.nothing.get_or_insert_with(|| "".into()));
            let text = std::mem::replace(&mut entry.text, nothing);
            self.known.remove(&text);
            self.bytes -= SYMBOL_BYTES + text.len();
            self.free.push(symbol);
        }
    }

    pub(super) fn find(&self, text: &str) -> Option<Symbol> {
        self.known.get(text).copied()
    }

    #[inline]
    pub(super) fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.entries[symbol.0 as usize].text
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives room back that was taken for many more strings than there are.
    pub(super) fn shrink(&mut self) {
        if self.known.capacity() > 4 * self.known.len() + 1024 {
            self.known.shrink_to(2 * self.known.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_there_as_long_as_it_is_used_and_its_number_is_used_again() {
        let mut symbols = Symbols::default();
        let (a, b) = (symbols.take("a"), symbols.take("b"));
        assert_eq!(symbols.take("a"), a);
        let full = symbols.bytes();
        symbols.give_back(a);
        assert_eq!((symbols.find("a"), symbols.text(a).as_ref()), (Some(a), "a"));
        symbols.give_back(a);
        assert_eq!((symbols.find("a"), symbols.find("b")), (None, Some(b)));
        assert!(symbols.bytes() < full);
        let c = symbols.take("c");
        assert_eq!((c, symbols.text(c).as_ref(), symbols.bytes()), (a, "c", full));
        symbols.hold(c);
        symbols.give_back(c);
        assert_eq!(symbols.find("c"), Some(c));
    }
}
