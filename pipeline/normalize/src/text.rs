//! Text of attribute values: borrowed from the body where it is a string, made in a buffer where it is not.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::{AnyValue, AnyValueBytes};

/// A text that lives in the body or in [`Texts`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    Sent(&'a str),
    Made(usize, usize),
}

impl<'a> Text<'a> {
    pub(crate) const EMPTY: Text<'static> = Text::Sent("");
}

/// The buffer of made texts. Kept from point to point so that none of them allocates.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    made: String,
    rendered: Vec<u8>,
}

/// Bytes that should have been UTF-8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotUtf8;

impl Texts {
    /// Forgets all texts and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.made.clear();
    }

    pub(crate) fn get<'t, 'a: 't>(&'t self, text: Text<'a>) -> &'t str {
        match text {
            Text::Sent(text) => text,
            Text::Made(start, end) => &self.made[start..end],
        }
    }

    /// Makes a text by appending to the buffer.
    pub(crate) fn make(&mut self, write: impl FnOnce(&mut String)) -> Text<'static> {
        let start = self.made.len();
        write(&mut self.made);
        Text::Made(start, self.made.len())
    }

    /// Joins two texts with `;`.
    pub(crate) fn join(&mut self, first: Text<'_>, second: Text<'_>) -> Text<'static> {
        let start = self.made.len();
        self.append(first);
        self.made.push(';');
        self.append(second);
        Text::Made(start, self.made.len())
    }

    fn append(&mut self, text: Text<'_>) {
        match text {
            Text::Sent(text) => self.made.push_str(text),
            Text::Made(start, end) => self.made.extend_from_within(start..end),
        }
    }

    /// The text of an attribute's value; the inner error is for the point, the outer one for the body.
    pub(crate) fn value<'a>(&mut self, value: AnyValueBytes<'a>) -> Result<Result<Text<'a>, NotUtf8>, DecodeError> {
        match value.read()? {
            AnyValue::Empty => Ok(Ok(Text::EMPTY)),
            AnyValue::String(bytes) => Ok(std::str::from_utf8(bytes).map(Text::Sent).map_err(|_| NotUtf8)),
            other => {
                self.rendered.clear();
                other.write_text(&mut self.rendered)?;
                Ok(match std::str::from_utf8(&self.rendered) {
                    Ok(text) => {
                        let start = self.made.len();
                        self.made.push_str(text);
                        Ok(Text::Made(start, self.made.len()))
                    }
                    Err(_) => Err(NotUtf8),
                })
            }
        }
    }
}
