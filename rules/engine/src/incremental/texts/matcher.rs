//! Many tests compiled into one, so that a text is read once for all of them.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use arrow::array::{Array, BooleanArray, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::util::bit_util;
use hashbrown::HashMap;
use regex::{RegexSet, RegexSetBuilder};

use super::condition::Test;

/// Literals that are sought at once have no more bytes than this together. As a table of what follows what (256 numbers a byte at most) they take 16
/// MiB.
const TABLE_NEEDLE_BYTES_MAX: usize = 16 * 1024;

/// Without such a table they take a few dozen bytes each.
const NEEDLE_BYTES_MAX: usize = 256 * 1024;

/// Regular expressions of one set. Each text that a set reads costs as much as its states are long.
const SET_MAX: usize = 128;

/// Sets. With [`SET_BYTES_MAX`] for what is compiled and as much for what is found out on the way they take 16 MiB.
const SETS_MAX: usize = 8;

/// Bytes of a compiled set, and of what a thread that uses it keeps.
const SET_BYTES_MAX: usize = 1024 * 1024;

/// What all of it may take, and one thread that uses it.
const BYTES_MAX: usize = 32 * 1024 * 1024;

const _: () = assert!(TABLE_NEEDLE_BYTES_MAX * 256 * size_of::<u32>() + 2 * SETS_MAX * SET_BYTES_MAX <= BYTES_MAX);

/// Tests have places, in the order in which they were given.
#[derive(Debug)]
pub(super) struct Matcher {
    /// How many tests there are.
    tests: usize,
    whole: HashMap<String, usize>,
    /// `None` where no literal is sought within texts.
    within: Option<Within>,
    /// Regular expressions, and the tests that they are.
    sets: Vec<(RegexSet, Vec<usize>)>,
    /// Which tests did not fit in.
    left_out: Vec<bool>,
}

/// All literals that are sought within texts, and the tests of each.
#[derive(Debug)]
struct Within {
    literals: AhoCorasick,
    tests: Vec<Vec<(Anchor, usize)>>,
}

/// Where a literal must stand.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    Anywhere,
    Start,
    End,
}

/// Which texts of a column pass which tests.
#[derive(Debug)]
pub(super) struct Passed {
    texts: usize,
    nulls: Option<NullBuffer>,
    /// By the place of the test: a bit a text; nothing where none passes.
    bits: Vec<Option<BooleanBuffer>>,
}

impl Matcher {
    /// Compiles tests that differ; those that find no room are left out.
    pub(super) fn new<'t>(tests: impl ExactSizeIterator<Item = &'t Test>) -> Self {
        let count = tests.len();
        let mut matcher =
            Self { tests: count, whole: HashMap::new(), within: None, sets: Vec::new(), left_out: vec![false; count] };
        let (mut needles, mut regexes) = (Needles::default(), Vec::new());
        for (place, test) in tests.enumerate() {
            let fits = match test {
                Test::Is(text) => matcher.whole.insert(text.clone(), place).is_none(),
                Test::Contains(needle) => needles.add(needle, Anchor::Anywhere, place),
                Test::StartsWith(needle) => needles.add(needle, Anchor::Start, place),
                Test::EndsWith(needle) => needles.add(needle, Anchor::End, place),
                Test::Regex(regex) => {
                    regexes.push((regex.as_str(), place));
                    true
                }
            };
            matcher.left_out[place] = !fits;
        }
        matcher.within = needles.compile();
        if matcher.within.is_none() {
            needles.of.iter().flatten().for_each(|&(_, place)| matcher.left_out[place] = true);
        }
        regexes.chunks(SET_MAX).for_each(|regexes| matcher.add_set(regexes));
        matcher
    }

    /// Adds regular expressions as one set, or as several where that would be too large.
    fn add_set(&mut self, regexes: &[(&str, usize)]) {
        let places = || regexes.iter().map(|&(_, place)| place);
        if self.sets.len() == SETS_MAX {
            places().for_each(|place| self.left_out[place] = true);
            return;
        }
        let mut builder = RegexSetBuilder::new(regexes.iter().map(|&(regex, _)| regex));
        match builder.size_limit(SET_BYTES_MAX).dfa_size_limit(SET_BYTES_MAX).build() {
            Ok(set) => self.sets.push((set, places().collect())),
            Err(_) if regexes.len() > 1 => {
                let (some, others) = regexes.split_at(regexes.len() / 2);
                self.add_set(some);
                self.add_set(others);
            }
            Err(_) => places().for_each(|place| self.left_out[place] = true),
        }
    }

    /// How many tests there are, also those that were left out.
    pub(super) fn len(&self) -> usize {
        self.tests
    }

    /// Whether a test found no room.
    pub(super) fn is_left_out(&self, place: usize) -> bool {
        self.left_out[place]
    }

    /// Reads texts, each once.
    pub(super) fn read(&self, texts: &StringArray) -> Passed {
        let mut bits: Vec<Vec<u8>> = vec![Vec::new(); self.tests];
        let bytes = texts.len().div_ceil(8);
        for (row, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            self.each(text, |place| {
                let bits = &mut bits[place];
                if bits.is_empty() {
                    bits.resize(bytes, 0);
                }
                bit_util::set_bit(bits, row);
            });
        }
        let bits = bits
            .into_iter()
            .map(|bits| (!bits.is_empty()).then(|| BooleanBuffer::new(Buffer::from_vec(bits), 0, texts.len())));
        Passed { texts: texts.len(), nulls: texts.nulls().cloned(), bits: bits.collect() }
    }

    /// Gives the tests that a text passes, some of them several times.
    fn each(&self, text: &str, mut passes: impl FnMut(usize)) {
        self.whole.get(text).copied().into_iter().for_each(&mut passes);
        if let Some(Within { literals, tests }) = &self.within {
            for found in literals.find_overlapping_iter(text) {
                for &(anchor, place) in &tests[found.pattern().as_usize()] {
                    let is_there = match anchor {
                        Anchor::Anywhere => true,
                        Anchor::Start => found.start() == 0,
                        Anchor::End => found.end() == text.len(),
                    };
                    if is_there {
                        passes(place);
                    }
                }
            }
        }
        for (set, places) in &self.sets {
            set.matches(text).iter().for_each(|regex| passes(places[regex]));
        }
    }
}

impl Passed {
    /// The test at a place, for each text.
    pub(super) fn of(&self, place: usize) -> BooleanArray {
        let bits = self.bits[place].clone().unwrap_or_else(|| BooleanBuffer::new_unset(self.texts));
        BooleanArray::new(bits, self.nulls.clone())
    }
}

/// Literals that are about to be compiled.
#[derive(Debug, Default)]
struct Needles<'t> {
    texts: Vec<&'t str>,
    /// Of each: the tests that ask for it.
    of: Vec<Vec<(Anchor, usize)>>,
    known: HashMap<&'t str, usize>,
    bytes: usize,
}

impl<'t> Needles<'t> {
    /// `false` where there is no room.
    fn add(&mut self, needle: &'t str, anchor: Anchor, place: usize) -> bool {
        if let Some(&known) = self.known.get(needle) {
            self.of[known].push((anchor, place));
            return true;
        }
        if self.bytes + needle.len() > NEEDLE_BYTES_MAX {
            return false;
        }
        self.bytes += needle.len();
        self.known.insert(needle, self.texts.len());
        self.texts.push(needle);
        self.of.push(vec![(anchor, place)]);
        true
    }

    /// `None` where there are none, or the automaton has no numbers for so many.
    fn compile(&self) -> Option<Within> {
        if self.texts.is_empty() {
            return None;
        }
        let is_small = self.bytes <= TABLE_NEEDLE_BYTES_MAX;
        let kind = if is_small { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let literals = AhoCorasick::builder().kind(Some(kind)).build(&self.texts).ok()?;
        Some(Within { literals, tests: self.of.clone() })
    }
}
