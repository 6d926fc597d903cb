//! Influx line protocol: `measurement[,tag=value…] field=value[,field=value…] [timestamp]`, a line a point of time.
//!
//! A line is walked once. Its measurement and tags are handed out as the bytes between the line's start and the first
//! space that is not escaped: whoever has seen the same bytes before need not take them apart, and who has not asks for
//! [`Line::measurement`] and [`Line::tags`]. Fields go into a list that the caller keeps, so that a line allocates
//! nothing. A bad line is an error with its number, column and reason, and the next line goes on.
//!
//! | module | does |
//! |---|---|
//! | `line` | one line: key, fields, timestamp |
//! | `value` | a field's value: float, integer, unsigned, boolean, text |
//! | `tags` | measurement and tags, taken apart |
//! | `escape` | backslashes |
//! | `error` | what can be wrong with a line |
//!
//! Source: InfluxDB's documentation of line protocol (1.8, 2.7, 3), and where it is silent, what InfluxDB 1.x takes: the
//! byte after a backslash is never a separator, spaces before a line and after it are passed over, `#` begins a comment.

mod error;
mod escape;
mod line;
mod tags;
mod value;

pub use error::{BadLine, LineProblem};
pub use escape::{unescape_measurement, unescape_name, unescape_text};
pub use line::Line;
pub use tags::{Tag, Tags};
pub use value::FieldValue;

use memchr::memchr;

/// Fields of one line. Real lines have tens; the bound keeps a body of `a=1,a=1,…` from becoming a list many times as
/// large as itself.
pub const FIELDS_MAX: usize = 16 * 1024;

/// A field of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field<'a> {
    /// The key as it lies in the body; see [`unescape_name`].
    pub key: &'a [u8],
    /// The value.
    pub value: FieldValue<'a>,
}

/// The lines of a body, comments and blank ones left out.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    body: &'a [u8],
    at: usize,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Lines from a body's start.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, number: 1 }
    }

    /// The next line; its fields replace those in `fields`. `None` at the end of the body.
    #[inline]
    pub fn next(&mut self, fields: &mut Vec<Field<'a>>) -> Option<Result<Line<'a>, BadLine<'a>>> {
        fields.clear();
        self.skip_blank()?;
        let (start, number) = (self.at, self.number);
        match line::read(self.body, start, fields) {
            Ok(read) => {
                self.at = read.next;
                self.number += 1 + read.newlines_inside;
                Some(Ok(Line { number, text: &self.body[start..read.end], key: read.key, timestamp: read.timestamp }))
            }
            Err(stumble) => {
                fields.clear();
                let end = memchr(b'\n', &self.body[stumble.resume..])
                    .map_or(self.body.len(), |newline| stumble.resume + newline);
                let text = &self.body[start..end];
                self.at = end;
                self.number += memchr::memchr_iter(b'\n', text).count() as u64;
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                Some(Err(BadLine { number, text, column: stumble.at - start + 1, problem: stumble.problem }))
            }
        }
    }

    /// Goes to the next byte that begins a line; `None` when there is none.
    #[inline]
    fn skip_blank(&mut self) -> Option<()> {
        loop {
            match self.body.get(self.at)? {
                b'\n' => {
                    self.number += 1;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'#' => self.at += memchr(b'\n', &self.body[self.at..])?,
                _ => return Some(()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
