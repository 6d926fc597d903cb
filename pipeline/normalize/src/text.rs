//! Text of attribute values: borrowed from the body where it is a string, made in a buffer where it is not.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::{AnyValue, AnyValueBytes};

use crate::fault::Fault;

/// A text that lives in the body or in [`Texts`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    Sent(&'a str),
    Made(usize, usize),
}

impl Text<'_> {
    pub(crate) const EMPTY: Text<'static> = Text::Sent("");

    /// Bytes of the text.
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self {
            Text::Sent(text) => text.len(),
            Text::Made(start, end) => end - start,
        }
    }
}

/// The buffer of made texts. Kept from point to point so that none of them allocates.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    made: String,
    rendered: Vec<u8>,
}

/// Why a value has no text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoText {
    /// Its bytes should have been UTF-8.
    NotUtf8,
    /// Arrays and maps inside each other, deeper than is read.
    TooDeep,
}

impl NoText {
    /// What is wrong with the label that has this value.
    pub(crate) fn of_label(self, label: &[u8]) -> Fault<'_> {
        match self {
            NoText::NotUtf8 => Fault::ValueNotUtf8 { label },
            NoText::TooDeep => Fault::TooDeep { what: label },
        }
    }

    /// What is wrong with the record whose field has this value, an array or a map.
    pub(crate) fn of_field(self, field: &'static str) -> Fault<'static> {
        match self {
            NoText::NotUtf8 => Fault::TextNotUtf8 { field, text: b"(an array or a map)" },
            NoText::TooDeep => Fault::TooDeep { what: field.as_bytes() },
        }
    }
}

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

    /// Joins two texts with `;`. A text that was just made grows where it is, so that joining many takes no more room than they do.
    pub(crate) fn join(&mut self, first: Text<'_>, second: Text<'_>) -> Text<'static> {
        let start = match first {
            Text::Made(start, end) if end == self.made.len() => start,
            _ => {
                let start = self.made.len();
                self.append(first);
                start
            }
        };
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
    #[inline]
    pub(crate) fn value<'a>(&mut self, value: AnyValueBytes<'a>) -> Result<Result<Text<'a>, NoText>, DecodeError> {
        match value.read()? {
            AnyValue::Empty => Ok(Ok(Text::EMPTY)),
            AnyValue::String(bytes) => Ok(std::str::from_utf8(bytes).map(Text::Sent).map_err(|_| NoText::NotUtf8)),
            other => self.written(other),
        }
    }

    /// The text of a value that is no text itself.
    pub(crate) fn written(&mut self, value: AnyValue<'_>) -> Result<Result<Text<'static>, NoText>, DecodeError> {
        self.rendered.clear();
        match value.write_text(&mut self.rendered) {
            Ok(()) => {}
            Err(DecodeError::TooDeep { .. }) => return Ok(Err(NoText::TooDeep)),
            Err(error) => return Err(error),
        }
        Ok(match std::str::from_utf8(&self.rendered) {
            Ok(text) => {
                let start = self.made.len();
                self.made.push_str(text);
                Ok(Text::Made(start, self.made.len()))
            }
            Err(_) => Err(NoText::NotUtf8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_many_texts_takes_no_more_room_than_they_do() {
        let mut texts = Texts::default();
        let other = texts.make(|made| made.push_str("other"));
        let joined = (0..1000).fold(Text::Sent("a"), |joined, _| texts.join(joined, Text::Sent("bc")));
        assert_eq!(texts.get(joined), format!("a{}", ";bc".repeat(1000)));
        assert_eq!(texts.get(other), "other");
        assert_eq!(texts.made.len(), "other".len() + joined.len());
        assert_eq!(texts.join(other, joined).len(), "other;".len() + joined.len());
    }
}
