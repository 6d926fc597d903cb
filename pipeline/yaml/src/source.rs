//! A file's text, and pieces of it that know where each of their characters stands.

use std::ops::Range;
use std::sync::Arc;

use crate::problem::Place;

/// A file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line begins, so that a file of many problems is not counted through for each of them.
    lines: Vec<usize>,
}

impl Source {
    /// A file's name, as it is to stand in problems, and its text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Self { name: name.into(), text, lines })
    }

    /// The name, as it stands in problems.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a byte; one past the end is the end.
    pub fn place(&self, byte: usize) -> Place {
        let line = self.lines.partition_point(|&start| start <= byte);
        let start = self.lines[line - 1];
        let column = self.text[start..].char_indices().take_while(|(at, _)| start + at < byte).count() + 1;
        Place { file: self.name.clone(), line, column }
    }
}

/// A scalar of a file: its value, and where it was written. Where variables were replaced in it, places inside it are not exact.
#[derive(Debug, Clone)]
pub struct Text {
    value: String,
    source: Arc<Source>,
    /// Bytes of the source, with the quotes of a quoted scalar and without the header of a block scalar.
    range: Range<usize>,
}

impl Text {
    /// A value that was written in these bytes of the source.
    ///
    /// # Panics
    /// When the range is not whole characters of the source.
    pub fn new(value: String, source: Arc<Source>, range: Range<usize>) -> Self {
        assert!(source.text.get(range.clone()).is_some(), "a value is a part of its source");
        Self { value, source, range }
    }

    /// The value, after YAML's folding and unescaping, with variables replaced.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Where it begins.
    pub fn place(&self) -> Place {
        self.source.place(self.range.start)
    }

    /// The file's place of a line and column (both from 1, columns in characters) of the value.
    pub fn place_of(&self, line: usize, column: usize) -> Place {
        let line_start = match line.checked_sub(2) {
            None => 0,
            Some(newlines) => self.value.match_indices('\n').nth(newlines).map_or(self.value.len(), |(at, _)| at + 1),
        };
        let offset = self.value[line_start..].char_indices().nth(column.saturating_sub(1)).map_or_else(
            || self.value[line_start..].find('\n').map_or(self.value.len(), |end| line_start + end),
            |(at, _)| line_start + at,
        );
        self.place_at(offset)
    }

    /// The file's place of a word of the value, or of its beginning where the word does not stand alone in it.
    pub fn place_of_word(&self, word: &str) -> Place {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let found = self.value.match_indices(word).map(|(at, _)| at).find(|&at| {
            !self.value[..at].ends_with(part_of_word) && !self.value[at + word.len()..].starts_with(part_of_word)
        });
        self.place_at(found.unwrap_or(0))
    }

    /// The file's place of a byte of the value.
    ///
    /// YAML folds, indents and escapes, but only white space comes and goes by it: the nth visible character of the value is
    /// the nth visible character of what was written. The place of white space is that of the visible character after it.
    fn place_at(&self, offset: usize) -> Place {
        let written = &self.source.text[self.range.clone()];
        let visible_before = self.value[..offset].chars().filter(|c| !c.is_whitespace()).count();
        let at = visible(written, self.style(written)).nth(visible_before).unwrap_or_else(|| written.trim_end().len());
        self.source.place(self.range.start + at)
    }

    fn style(&self, written: &str) -> Style {
        let same = written.chars().filter(|c| !c.is_whitespace()).eq(self.value.chars().filter(|c| !c.is_whitespace()));
        match written.chars().next() {
            // A block scalar may begin with a quote too, and then the quote is part of the value.
            _ if same => Style::Bare,
            Some('\'') => Style::SingleQuoted,
            Some('"') => Style::DoubleQuoted,
            _ => Style::Bare,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Bare,
    SingleQuoted,
    DoubleQuoted,
}

/// The bytes at which the visible characters of a written scalar begin.
fn visible(written: &str, style: Style) -> impl Iterator<Item = usize> {
    let quoted = style != Style::Bare;
    let mut chars = written.char_indices().skip(usize::from(quoted)).peekable();
    std::iter::from_fn(move || {
        loop {
            let (at, c) = chars.next()?;
            match (style, c) {
                (_, c) if c.is_whitespace() => {}
                (Style::SingleQuoted, '\'') => {
                    // A quote in single quotes is written twice; a lone one is the end.
                    chars.next_if(|next| next.1 == '\'')?;
                    return Some(at);
                }
                (Style::DoubleQuoted, '"') => return None,
                (Style::DoubleQuoted, '\\') => {
                    let digits = match chars.next()?.1 {
                        'n' | 't' | 'r' | ' ' | '\t' | '\n' | 'N' | '_' | 'L' | 'P' | 'v' | 'f' => continue,
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        _ => 0,
                    };
                    for _ in 0..digits {
                        chars.next();
                    }
                    return Some(at);
                }
                _ => return Some(at),
            }
        }
    })
}
