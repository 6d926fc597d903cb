//! Label sets: attributes with names in Prometheus form, sorted, each name once.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::KeyValue;
use flyball_model::limits::LABEL_SET_BYTES_MAX;
use flyball_model::{Limits, name};

use crate::attributes::RECORD_PARTS_MAX;
use crate::fault::{Fault, Found, Shown};
use crate::text::{Text, Texts};

/// The labels of one level: of a resource, or of a point. Reused from point to point.
#[derive(Debug, Default)]
pub(crate) struct Level<'a> {
    labels: Vec<Label<'a>>,
    texts: Texts,
}

#[derive(Debug, Clone, Copy)]
struct Label<'a> {
    original: &'a str,
    name: Text<'a>,
    value: Text<'a>,
}

impl<'a> Level<'a> {
    /// Forgets all labels and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.texts.clear();
    }

    /// Takes a resource's attributes as its labels. Checked here and not only with each point: the labels of a resource
    /// are walked for every point of it.
    pub(crate) fn fill_resource(
        &mut self,
        attributes: impl IntoIterator<Item = Result<KeyValue<'a>, DecodeError>>,
        limits: &Limits,
    ) -> Found<'a, ()> {
        self.fill(attributes, limits)?;
        let Self { labels, texts } = self;
        labels.retain(|label| !texts.get(label.value).is_empty());
        if labels.len() > limits.labels {
            return Err(Fault::TooManyLabels { labels: labels.len(), max: limits.labels }.into());
        }
        Ok(())
    }

    /// Takes a point's attributes as its labels.
    pub(crate) fn fill(
        &mut self,
        attributes: impl IntoIterator<Item = Result<KeyValue<'a>, DecodeError>>,
        limits: &Limits,
    ) -> Found<'a, ()> {
        self.clear();
        for attribute in attributes {
            let KeyValue { key, value } = attribute?;
            let value = self.texts.value(value)?.map_err(|problem| problem.of_label(key))?;
            self.push(key, value)?;
        }
        self.finish(limits)?;
        Ok(())
    }

    /// Appends a label as it was sent. Its lengths are looked at before its bytes are: in remote write 2.0 many series can refer
    /// to one long text.
    pub(crate) fn add(&mut self, name: &'a [u8], value: &'a [u8], limits: &Limits) -> Result<(), Fault<'a>> {
        let max = limits.label_bytes;
        if name.len() > max {
            return Err(Fault::LabelNameTooLong { label: name, max });
        }
        if value.len() > max {
            return Err(Fault::ValueTooLong { label: name, value: Shown::bytes(value), bytes: value.len(), max });
        }
        let value = std::str::from_utf8(value).map_err(|_| Fault::ValueNotUtf8 { label: name })?;
        self.push(name, Text::Sent(value))
    }

    /// Sets a label beside those that were sent, in place of one of its name. To be called after the others were finished; `name`
    /// is in Prometheus form.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        let Self { labels, texts } = self;
        labels.retain(|label| texts.get(label.name) != name);
        let place = labels.partition_point(|label| texts.get(label.name) < name);
        let value = texts.make(|made| made.push_str(value));
        labels.insert(place, Label { original: name, name: Text::Sent(name), value });
    }

    fn push(&mut self, key: &'a [u8], value: Text<'a>) -> Result<(), Fault<'a>> {
        let original = std::str::from_utf8(key).map_err(|_| Fault::LabelNotUtf8 { label: key })?;
        if original.is_empty() {
            return Err(Fault::EmptyLabelName);
        }
        if self.labels.len() == RECORD_PARTS_MAX {
            return Err(Fault::TooManyParts { max: RECORD_PARTS_MAX });
        }
        let name = self.texts.make(|made| name::append_label_name(made, original));
        self.labels.push(Label { original, name, value });
        Ok(())
    }

    /// Sorts the labels, joins those whose names became the same, and checks their lengths.
    pub(crate) fn finish(&mut self, limits: &Limits) -> Result<(), Fault<'a>> {
        let Self { labels, texts } = self;
        labels
            .sort_unstable_by(|a, b| texts.get(a.name).cmp(texts.get(b.name)).then_with(|| a.original.cmp(b.original)));
        if let Some(pair) = labels.array_windows().find(|[a, b]| a.original == b.original) {
            return Err(Fault::DuplicateLabel { label: pair[0].original });
        }
        labels.dedup_by(|later, kept| {
            let same = texts.get(later.name) == texts.get(kept.name);
            if same {
                kept.value = match (texts.get(kept.value), texts.get(later.value)) {
                    (_, "") => kept.value,
                    ("", _) => later.value,
                    _ => texts.join(kept.value, later.value),
                };
            }
            same
        });
        let max = limits.label_bytes;
        for label in labels {
            if texts.get(label.name).len() > max {
                return Err(Fault::LabelNameTooLong { label: label.original.as_bytes(), max });
            }
            let value = texts.get(label.value);
            if value.len() > max {
                let (value, bytes) = (Shown::text(value), value.len());
                return Err(Fault::ValueTooLong { label: label.original.as_bytes(), value, bytes, max });
            }
        }
        Ok(())
    }

    /// Bytes of names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.pairs().map(|(name, value)| name.len() + value.len()).sum()
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|label| (self.texts.get(label.name), self.texts.get(label.value)))
    }
}

/// The labels of a resource and of a point in one sorted set. Where both have a name the point's value counts, and a
/// label whose value is empty is no label: a point can so take back what its resource says.
pub(crate) fn merge<'l>(
    resource: &'l Level<'_>,
    point: &'l Level<'_>,
    limits: &Limits,
    merged: &mut Vec<(&'l str, &'l str)>,
) -> Result<(), Fault<'static>> {
    let mut under = resource.pairs().peekable();
    for label in point.pairs() {
        merged.extend(std::iter::from_fn(|| under.next_if(|below| below.0 < label.0)));
        under.next_if(|below| below.0 == label.0);
        merged.push(label);
    }
    merged.extend(under);
    merged.retain(|label| !label.1.is_empty());
    if merged.len() > limits.labels {
        return Err(Fault::TooManyLabels { labels: merged.len(), max: limits.labels });
    }
    let bytes = merged.iter().map(|label| label.0.len() + label.1.len()).sum();
    if bytes > LABEL_SET_BYTES_MAX {
        return Err(Fault::LabelSetTooLong { bytes, max: LABEL_SET_BYTES_MAX });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level<'a>(labels: &[(&'a str, &'a str)]) -> Level<'a> {
        let mut level = Level::default();
        for (name, value) in labels {
            level.add(name.as_bytes(), value.as_bytes(), &Limits::default()).expect("UTF-8 with a name");
        }
        level
    }

    fn check(resource: &[(&str, &str)], point: &[(&str, &str)], expected: &[(&str, &str)]) {
        let (mut resource, mut point) = (level(resource), level(point));
        let limits = Limits::default();
        resource.finish(&limits).expect("good labels");
        point.finish(&limits).expect("good labels");
        let mut merged = Vec::new();
        merge(&resource, &point, &limits, &mut merged).expect("few labels");
        assert_eq!(merged, expected);
    }

    #[test]
    fn labels_are_sorted_and_the_point_wins() {
        check(
            &[("c", "3"), ("a", "1"), ("b", "2")],
            &[("d", "4"), ("b", "x")],
            &[("a", "1"), ("b", "x"), ("c", "3"), ("d", "4")],
        );
    }

    #[test]
    fn an_empty_value_is_no_label_and_takes_back_the_resources() {
        check(&[("a", ""), ("b", "2"), ("c", "3")], &[("b", ""), ("d", "")], &[("c", "3")]);
    }

    #[test]
    fn names_that_become_the_same_are_joined_in_the_order_of_the_originals() {
        check(&[], &[("a_b", "3"), ("a.b", "2"), ("a-b", "1")], &[("a_b", "1;2;3")]);
        check(&[("a.b", "1")], &[("a_b", "2")], &[("a_b", "2")]);
        check(&[], &[("a_b", "2"), ("a.b", "")], &[("a_b", "2")]);
    }

    #[test]
    fn bad_labels_are_named() {
        let limits = Limits { label_bytes: 3, labels: 2, ..Limits::default() };
        let fault =
            |labels: &[(&'static str, &'static str)]| level(labels).finish(&limits).expect_err("bad").to_string();
        assert!(fault(&[("a", "1"), ("b", "2"), ("a", "3")]).contains("\"a\" comes twice"));
        assert!(fault(&[("a", "1234")]).contains("label \"a\" is 4 bytes long (\"1234\")"));
        assert!(fault(&[("abcd", "1")]).contains("label name \"abcd\" is 4 bytes long"));
        let (mut labels, mut merged) = (level(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "")]), Vec::new());
        labels.finish(&limits).expect("each label is good");
        let fault = merge(&Level::default(), &labels, &limits, &mut merged).expect_err("too many").to_string();
        assert!(fault.contains("3 labels, the limit is 2"), "{fault}");
        let mut bytes = Level::default();
        assert!(matches!(bytes.add(b"\xff", b"", &limits), Err(Fault::LabelNotUtf8 { .. })));
        assert!(matches!(bytes.add(b"a", b"\xff", &limits), Err(Fault::ValueNotUtf8 { .. })));
        assert!(matches!(bytes.add(b"", b"a", &limits), Err(Fault::EmptyLabelName)));
        let error = bytes.add(b"abcd", b"1", &limits).expect_err("too long").to_string();
        assert!(error.contains("label name \"abcd\" is 4 bytes long"), "{error}");
        assert!(matches!(bytes.add(b"a", b"\xff234", &limits), Err(Fault::ValueTooLong { .. })), "not looked into");
        let error = bytes.add(b"a", b"1234", &limits).expect_err("too long").to_string();
        assert!(error.contains("label \"a\" is 4 bytes long (\"1234\")"), "{error}");
    }

    #[test]
    fn labels_without_end_are_not_all_read() {
        let names: Vec<_> = (0..=RECORD_PARTS_MAX).map(|number| format!("n{number}")).collect();
        let (mut level, limits) = (Level::default(), Limits::default());
        let mut added = names.iter().map(|name| level.add(name.as_bytes(), b"", &limits));
        assert!(added.by_ref().take(RECORD_PARTS_MAX).all(|added| added.is_ok()));
        assert!(matches!(added.next(), Some(Err(Fault::TooManyParts { .. }))));
    }
}
