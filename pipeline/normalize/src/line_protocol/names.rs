//! What the fields of a line have in common: its measurement and tags, taken apart.

use std::borrow::Cow;
use std::cell::OnceCell;

use flyball_decode::line_protocol::{BadLine, Line, Tag};
use flyball_model::Limits;

use crate::attributes::RECORD_PARTS_MAX;
use crate::fault::Fault;
use crate::labels::Level;

/// The label of a text's series that says what the metric would be called if it were numbers.
pub(super) const NAME_LABEL: &[u8] = b"name";

/// What a tag of that name is called then, as Prometheus renames labels that are in the way.
const EXPORTED_NAME_LABEL: &[u8] = b"exported_name";

/// The tags of a line, or why it has none.
pub(super) type Tags<'a> = Result<Vec<Tag<'a>>, BadLine<'a>>;

/// The names of a line. Read when a series is asked for that is not known yet, and then once a line and not once a field: a line
/// may have megabytes of tags and thousands of fields.
pub(super) struct Names<'t, 'a> {
    pub(super) line: &'t Line<'a>,
    measurement: OnceCell<Cow<'a, [u8]>>,
    tags: &'t OnceCell<Tags<'a>>,
    of_numbers: OnceCell<Result<Level<'t>, Fault<'t>>>,
    of_texts: OnceCell<Result<Level<'t>, Fault<'t>>>,
}

impl<'t, 'a> Names<'t, 'a> {
    /// Nothing is read yet; `tags` is the room for what will be.
    #[inline]
    pub(super) fn new(line: &'t Line<'a>, tags: &'t OnceCell<Tags<'a>>) -> Self {
        Self { line, measurement: OnceCell::new(), tags, of_numbers: OnceCell::new(), of_texts: OnceCell::new() }
    }

    /// The measurement, without escapes.
    pub(super) fn measurement(&self) -> &[u8] {
        self.measurement.get_or_init(|| self.line.measurement())
    }

    /// The tags as labels: of numbers, or of texts.
    ///
    /// # Errors
    /// When the tags can't be read. That they make no labels is the inner error.
    pub(super) fn labels(&self, text: bool, limits: &Limits) -> Result<&Result<Level<'t>, Fault<'t>>, BadLine<'a>> {
        // One more than is taken, so that it is seen that there are too many.
        let tags = self.tags.get_or_init(|| self.line.tags().take(RECORD_PARTS_MAX + 1).collect());
        let tags = tags.as_ref().map_err(|bad| *bad)?;
        let labels = if text { &self.of_texts } else { &self.of_numbers };
        Ok(labels.get_or_init(|| {
            let mut labels = Level::default();
            for Tag { key, value } in tags {
                let name = if text && **key == *NAME_LABEL { EXPORTED_NAME_LABEL } else { key };
                labels.add(name, value, limits)?;
            }
            labels.finish(limits)?;
            Ok(labels)
        }))
    }
}

#[cfg(test)]
mod tests {
    use flyball_decode::line_protocol::Lines;

    use super::*;

    #[test]
    fn names_are_read_once_a_line() {
        let limits = Limits { label_bytes: 4, ..Limits::default() };
        for (line, good) in [("m,name=a,b=c f=1", true), ("m,long_=a f=1", false)] {
            let line = Lines::new(line.as_bytes()).next(&mut Vec::new()).expect("a line").expect("a good one");
            let tags = OnceCell::new();
            let names = Names::new(&line, &tags);
            let labels = |text| names.labels(text, &limits).expect("tags that can be read");
            assert_eq!(labels(false).is_ok(), good);
            assert!(std::ptr::eq(labels(false), labels(false)) && std::ptr::eq(labels(true), labels(true)));
            assert!(labels(true).is_err(), "exported_name is too long");
        }
    }
}
