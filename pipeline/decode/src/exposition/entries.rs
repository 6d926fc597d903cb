//! A body, line by line.

use std::borrow::Cow;

use flyball_model::UnixNanos;

use super::cursor::{Cursor, is_blank, wrong};
use super::problem::{ExpositionProblem, Found};
use super::sample::{Exemplar, Labels, Sample, unescape, unescape_help};
use super::{Dialect, number};
use crate::error::DecodeError;
use crate::remote_write::MetricType;
use crate::shown::shown;

const TEXT_TYPES: &str = "counter, gauge, histogram, summary or untyped";
const OPEN_METRICS_TYPES: &str = "counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown";

/// Something that an exporter says.
#[derive(Debug, Clone)]
pub enum Entry<'a> {
    /// A family's description.
    Help {
        /// The family's name; in OpenMetrics a counter's without `_total`.
        family: Cow<'a, str>,
        /// The description.
        text: Cow<'a, str>,
    },
    /// A family's type.
    Type {
        /// The family's name.
        family: Cow<'a, str>,
        /// What its values mean.
        kind: MetricType,
    },
    /// A family's unit; OpenMetrics only.
    Unit {
        /// The family's name, which ends with the unit.
        family: Cow<'a, str>,
        /// The unit.
        unit: &'a str,
    },
    /// A value.
    Sample(Sample<'a>),
}

/// The entries of a body. Comments are passed over; ends after the first error.
///
/// # Errors
/// When the body is not UTF-8. Checked here and once: everything after works on text.
pub fn entries(body: &[u8], dialect: Dialect) -> Result<Entries<'_>, DecodeError> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Entries { cursor: Cursor::new(text, 0), body: text, dialect, ended: false }),
        Err(error) => Err(wrong(body, error.valid_up_to(), ExpositionProblem::NotUtf8)),
    }
}

/// See [`entries`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    body: &'a str,
    cursor: Cursor<'a>,
    dialect: Dialect,
    ended: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = match self.dialect {
            Dialect::Text => self.text_line(),
            Dialect::OpenMetrics => self.open_metrics_line(),
        };
        self.ended |= !matches!(entry, Ok(Some(_)));
        entry.transpose()
    }
}

impl<'a> Entries<'a> {
    fn text_line(&mut self) -> Result<Option<Entry<'a>>, DecodeError> {
        loop {
            self.cursor.blanks(Dialect::Text);
            match self.cursor.peek() {
                None => return Ok(None),
                Some(b'\n') => self.cursor.step(),
                Some(b'#') => {
                    self.cursor.step();
                    if let Some(entry) = self.text_comment()? {
                        return Ok(Some(entry));
                    }
                }
                Some(_) => return self.sample().map(Some),
            }
        }
    }

    /// The rest of a line after `#`. What is not about a family is for people.
    fn text_comment(&mut self) -> Result<Option<Entry<'a>>, DecodeError> {
        let blank = self.cursor.peek().is_some_and(is_blank);
        self.cursor.blanks(Dialect::Text);
        for keyword in ["HELP", "TYPE"] {
            let mut ahead = self.cursor;
            if blank && ahead.eat_word(keyword) && ahead.peek().is_some_and(is_blank) {
                ahead.blanks(Dialect::Text);
                self.cursor = ahead;
                return self.about_family(keyword).map(Some);
            }
        }
        self.cursor.rest_of_line();
        Ok(None)
    }

    fn open_metrics_line(&mut self) -> Result<Option<Entry<'a>>, DecodeError> {
        match self.cursor.peek() {
            None => Err(self.cursor.wrong(ExpositionProblem::NoEof)),
            Some(b'\n') => Err(self.cursor.wrong(ExpositionProblem::NotOpenMetrics)),
            Some(b'#') => {
                if self.cursor.eat_word("# EOF") {
                    self.cursor.eat(b'\n');
                    let ended = self.cursor.rest().is_empty();
                    return if ended { Ok(None) } else { Err(self.cursor.wrong(ExpositionProblem::AfterEof)) };
                }
                for (keyword, start) in [("HELP", "# HELP "), ("TYPE", "# TYPE "), ("UNIT", "# UNIT ")] {
                    if self.cursor.eat_word(start) {
                        return self.about_family(keyword).map(Some);
                    }
                }
                Err(self.cursor.wrong(ExpositionProblem::NotOpenMetrics))
            }
            Some(_) => self.sample().map(Some),
        }
    }

    /// A family's name, and what is said of it.
    fn about_family(&mut self, keyword: &'static str) -> Result<Entry<'a>, DecodeError> {
        let start = self.cursor.at();
        let family: Cow<'a, str> = match self.cursor.peek() {
            Some(b'"') => unescape(self.cursor.quoted(self.dialect)?),
            _ => self.cursor.metric_name().into(),
        };
        let separated = self.cursor.peek().is_none_or(|byte| is_blank(byte) || byte == b'\n');
        if family.is_empty() || !separated {
            let cursor = Cursor::new(self.body, start);
            return Err(cursor.wrong(ExpositionProblem::Family { keyword, found: cursor.found() }));
        }
        let spaced = self.cursor.peek().is_some_and(is_blank);
        if self.dialect == Dialect::OpenMetrics && !self.cursor.eat(b' ') || !spaced && keyword != "HELP" {
            return Err(self.cursor.wrong(ExpositionProblem::NoText { keyword }));
        }
        self.cursor.blanks(self.dialect);
        let text_at = self.cursor.at();
        let text = self.cursor.rest_of_line();
        self.line_end()?;
        let wrong = |problem| Err(Cursor::new(self.body, text_at).wrong(problem));
        match keyword {
            "HELP" => {
                let text = if self.dialect == Dialect::Text { unescape_help(text) } else { unescape(text) };
                Ok(Entry::Help { family, text })
            }
            "TYPE" => match kind(text.trim_matches([' ', '\t']), self.dialect) {
                Some(kind) => Ok(Entry::Type { family, kind }),
                None => {
                    let wanted = if self.dialect == Dialect::Text { TEXT_TYPES } else { OPEN_METRICS_TYPES };
                    wrong(ExpositionProblem::Type { found: Found::word(text), wanted })
                }
            },
            _ => {
                let named = |family: &str| family.strip_suffix(text).is_some_and(|name| name.ends_with('_'));
                if text.is_empty() || named(&family) {
                    Ok(Entry::Unit { family, unit: text })
                } else {
                    wrong(ExpositionProblem::Unit { unit: shown(text, Found::CHARS_MAX) })
                }
            }
        }
    }

    #[inline]
    fn sample(&mut self) -> Result<Entry<'a>, DecodeError> {
        let at = self.cursor.at();
        let name = self.cursor.metric_name();
        let mut end = self.cursor.at();
        if self.dialect == Dialect::Text {
            self.cursor.blanks(Dialect::Text);
        }
        if self.cursor.peek() == Some(b'{') {
            self.skip_labels()?;
            end = self.cursor.at();
        } else if name.is_empty() {
            return Err(self.cursor.wrong(ExpositionProblem::Line { found: self.cursor.found() }));
        } else {
            self.cursor = Cursor::new(self.body, end);
        }
        let series = &self.body[at..end];
        let value = self.value()?;
        let (time, exemplar) = self.rest_of_sample()?;
        Ok(Entry::Sample(Sample { series, value, time, exemplar, body: self.body, at, dialect: self.dialect }))
    }

    /// Goes behind the closing brace without looking at what the labels are.
    #[inline]
    fn skip_labels(&mut self) -> Result<(), DecodeError> {
        let opening = self.cursor.at();
        loop {
            self.cursor.take_while(|byte| !matches!(byte, b'"' | b'}' | b'\n'));
            match self.cursor.peek() {
                Some(b'"') => drop(self.cursor.quoted(self.dialect)?),
                Some(b'}') => {
                    self.cursor.step();
                    return Ok(());
                }
                _ => return Err(self.cursor.wrong_at(opening, ExpositionProblem::UnclosedLabels)),
            }
        }
    }

    #[inline]
    fn value(&mut self) -> Result<f64, DecodeError> {
        self.separator()?;
        let start = self.cursor;
        let text = self.word();
        if text.is_empty() {
            return Err(start.wrong(ExpositionProblem::NoValue { found: start.found() }));
        }
        number::value(text).ok_or_else(|| start.wrong(ExpositionProblem::Value { found: Found::word(text) }))
    }

    /// Time, exemplar and the end of the line.
    #[inline]
    fn rest_of_sample(&mut self) -> Result<(Option<UnixNanos>, Option<Exemplar<'a>>), DecodeError> {
        self.cursor.blanks(self.dialect);
        let mut time = None;
        if !self.at_line_end() && !self.cursor.rest().starts_with(" # {") {
            time = Some(self.time()?);
            self.cursor.blanks(self.dialect);
        }
        let mut exemplar = None;
        if self.dialect == Dialect::OpenMetrics && self.cursor.eat_word(" # {") {
            exemplar = Some(self.exemplar()?);
        }
        self.line_end()?;
        Ok((time, exemplar))
    }

    fn time(&mut self) -> Result<UnixNanos, DecodeError> {
        self.separator()?;
        let start = self.cursor;
        let text = self.word();
        let (time, wanted) = match self.dialect {
            Dialect::Text => (number::millis(text), "whole milliseconds since 1970"),
            Dialect::OpenMetrics => (number::seconds(text), "seconds since 1970"),
        };
        time.ok_or_else(|| start.wrong(ExpositionProblem::Time { found: Found::word(text), wanted }))
    }

    /// An exemplar after its opening brace.
    fn exemplar(&mut self) -> Result<Exemplar<'a>, DecodeError> {
        let labels_at = self.cursor.at();
        let exemplar = Exemplar { text: "", value: 0.0, time: None, body: self.body, labels_at };
        let end = Labels::finish(exemplar.labels())?;
        self.cursor = Cursor::new(self.body, end);
        let value = self.value()?;
        let time = if self.at_line_end() { None } else { Some(self.time()?) };
        Ok(Exemplar { text: self.cursor.since(labels_at), value, time, ..exemplar })
    }

    /// What stands between two parts of a sample: any blanks, or in OpenMetrics one space.
    #[inline]
    fn separator(&mut self) -> Result<(), DecodeError> {
        match self.dialect {
            Dialect::Text => self.cursor.blanks(Dialect::Text),
            Dialect::OpenMetrics if self.cursor.eat(b' ') => {}
            Dialect::OpenMetrics => {
                return Err(self.cursor.wrong(ExpositionProblem::Space { found: self.cursor.found() }));
            }
        }
        Ok(())
    }

    #[inline]
    fn word(&mut self) -> &'a str {
        self.cursor.take_while(|byte| !is_blank(byte) && byte != b'\n' && byte != b'{')
    }

    #[inline]
    fn at_line_end(&self) -> bool {
        self.cursor.peek().is_none_or(|byte| byte == b'\n')
    }

    #[inline]
    fn line_end(&mut self) -> Result<(), DecodeError> {
        if self.cursor.eat(b'\n') || self.cursor.peek().is_none() {
            Ok(())
        } else {
            Err(self.cursor.wrong(ExpositionProblem::LineEnd { found: self.cursor.found() }))
        }
    }
}

fn kind(word: &str, dialect: Dialect) -> Option<MetricType> {
    let open = dialect == Dialect::OpenMetrics;
    match word {
        "counter" => Some(MetricType::Counter),
        "gauge" => Some(MetricType::Gauge),
        "histogram" => Some(MetricType::Histogram),
        "summary" => Some(MetricType::Summary),
        "untyped" if !open => Some(MetricType::Unknown),
        "unknown" if open => Some(MetricType::Unknown),
        "gaugehistogram" if open => Some(MetricType::GaugeHistogram),
        "info" if open => Some(MetricType::Info),
        "stateset" if open => Some(MetricType::StateSet),
        _ => None,
    }
}
