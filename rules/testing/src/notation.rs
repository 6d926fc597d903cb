//! promtool's notation of a series' values.
//!
//! | written | means |
//! |---|---|
//! | `1` | one value |
//! | `1x3` | `1 1 1 1`: the value, and three more |
//! | `1+2x3` | `1 3 5 7` |
//! | `1-2x3` | `1 -1 -3 -5` |
//! | `_`, `_x3` | no value at one time, at three times |
//! | `stale` | the series ends here: a staleness marker |
//!
//! Items are separated by white space. As in promtool there are no hexadecimal numbers, so that `0x12` is thirteen times 0.
//! Native histograms (`{{…}}`) are not read.

#[cfg(test)]
mod tests;

use flyball_model::batch::STALE_NAN_BITS;

/// The most values of one test together. A test that a person wrote has some thousand.
pub const POINTS_MAX: usize = 1_000_000;

/// The values of a series at the times of its steps, as they were written: `0x1000000` costs nothing until it is played.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    runs: Vec<Run>,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Run {
    /// `count` values, each by `step` more than the one before.
    Line { first: f64, step: f64, count: usize },
    /// No value, `count` times.
    Blank { count: usize },
}

impl Run {
    fn count(self) -> usize {
        match self {
            Run::Line { count, .. } | Run::Blank { count } => count,
        }
    }
}

/// Why a notation can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotationError {
    /// The byte of the text at which it goes wrong.
    pub offset: usize,
    /// What is wrong, and how to write it.
    pub message: String,
}

impl NotationError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

impl Values {
    /// Reads the notation.
    ///
    /// # Errors
    /// The first place at which it is none.
    pub fn parse(text: &str) -> Result<Self, NotationError> {
        let mut values = Self::default();
        for item in text.split_whitespace() {
            let offset = item.as_ptr() as usize - text.as_ptr() as usize;
            let run = run(item).map_err(|error| NotationError { offset: offset + error.offset, ..error })?;
            values.len = values.len.saturating_add(run.count());
            if values.len > POINTS_MAX {
                return Err(NotationError::new(offset, format!("these are more than {POINTS_MAX} values")));
            }
            values.runs.push(run);
        }
        if values.runs.is_empty() { Err(NotationError::new(0, "there is no value here")) } else { Ok(values) }
    }

    /// One value.
    pub(crate) fn one(value: f64) -> Self {
        Self { runs: vec![Run::Line { first: value, step: 0.0, count: 1 }], len: 1 }
    }

    /// How many steps there are, those without a value too.
    pub fn steps(&self) -> usize {
        self.len
    }

    /// What there is at each step; `None` where there is no value. A staleness marker is Prometheus' NaN.
    pub fn iter(&self) -> impl Iterator<Item = Option<f64>> {
        self.runs.iter().flat_map(|&run| {
            (0..run.count()).map(move |index| match run {
                // Multiplied and not added up, so that `0+0.1x10` ends with 1.
                Run::Line { first, step, .. } if step != 0.0 => Some(first + step * index as f64),
                Run::Line { first, .. } => Some(first),
                Run::Blank { .. } => None,
            })
        })
    }
}

/// Reads one item; offsets are within it.
fn run(item: &str) -> Result<Run, NotationError> {
    if item.starts_with('{') {
        let message =
            "native histograms ({{…}}) are not supported in tests yet; test with the classic series (…_bucket)";
        return Err(NotationError::new(0, message));
    }
    if let Some(rest) = item.strip_prefix('_') {
        return match rest.strip_prefix('x') {
            None if rest.is_empty() => Ok(Run::Blank { count: 1 }),
            Some(times) => count(times, 2).map(|count| Run::Blank { count }),
            None => {
                Err(NotationError::new(1, format!("'_' stands alone, or with a count: write _ or _x3, not '{item}'")))
            }
        };
    }
    if let Some(rest) = item.strip_prefix("stale") {
        if rest.is_empty() {
            return Ok(Run::Line { first: f64::from_bits(STALE_NAN_BITS), step: 0.0, count: 1 });
        }
        return Err(NotationError::new(5, format!("'stale' stands alone, not '{item}'; a series ends once")));
    }
    let Some((first, after)) = number(item) else {
        let message = format!("'{item}' is no value; write 1, 1x3, 1+2x3, _, _x3 or stale, with spaces between them");
        return Err(NotationError::new(0, message));
    };
    let rest = &item[after..];
    if rest.is_empty() {
        return Ok(Run::Line { first, step: 0.0, count: 1 });
    }
    if let Some(times) = rest.strip_prefix('x') {
        return count(times, after + 1).map(|count| Run::Line { first, step: 0.0, count: count + 1 });
    }
    let step = rest.starts_with(['+', '-']).then(|| number(rest)).flatten();
    let Some((step, step_len)) = step else {
        let message = format!("'{rest}' after the value is neither a count (x3) nor a step with a count (+2x3)");
        return Err(NotationError::new(after, message));
    };
    match rest[step_len..].strip_prefix('x') {
        Some(times) => count(times, after + step_len + 1).map(|count| Run::Line { first, step, count: count + 1 }),
        None => {
            let message = format!("'{item}' has a step and no count; write {item}x3 for the value and three more");
            Err(NotationError::new(after + step_len, message))
        }
    }
}

fn count(text: &str, offset: usize) -> Result<usize, NotationError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<usize>() {
        Ok(count) if digits && count < POINTS_MAX => Ok(count),
        _ if digits => Err(NotationError::new(offset, format!("x{text} is more than {POINTS_MAX} values"))),
        _ => Err(NotationError::new(offset, format!("after x stands a whole number, like x3, not '{text}'"))),
    }
}

/// A number at the beginning of the text, and where it ends.
fn number(text: &str) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let sign = usize::from(text.starts_with(['+', '-']));
    for (word, value) in [("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if bytes.get(sign..sign + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes())) {
            return Some((if text.starts_with('-') { -value } else { value }, sign + word.len()));
        }
    }
    let whole = digits(sign);
    let mut end = whole;
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    // A lone point or sign is no number.
    if !bytes[sign..end].iter().any(u8::is_ascii_digit) {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(signed);
        if exponent > signed {
            end = exponent;
        }
    }
    Some((text[..end].parse().ok()?, end))
}
