//! Line protocol, in the part of it that every version takes.
//!
//! Some things cannot be said in it, or not to every server; they are put right here, and always in the same way:
//!
//! | given | written | because |
//! |---|---|---|
//! | NaN, infinities | the field is left out | there is no word for them |
//! | a line break | a space | in names it ends the line; inside text VictoriaMetrics ends it too |
//! | `\` before something escaped, before another `\`, or at the end of a name or tag | `/` | readers disagree on it |
//! | a name that begins with `_` or `#` | `x` before it | the first is reserved, the second begins a comment |
//! | a tag or field called `time` | `time_` | it is the column of the timestamp |
//! | a tag with the name of a field | `_tag` behind it | InfluxDB 3 has one column for each name |
//! | text over 64,000 bytes | its beginning | 64 KB is the limit |
//!
//! Integers end in `i`; the unsigned type `u` is never written, since 1.x refuses it. A record that is left without fields, or
//! whose measurement and tags are longer than a key may be, is not written at all.

use std::borrow::Cow;
use std::fmt::Write;

use flyball_model::ports::{FieldValue, Record};

/// Bytes of measurement and tags together; more is refused by 1.x and 2.x.
pub(crate) const KEY_BYTES_MAX: usize = 65_535;

/// Bytes of one text before escaping. The limit is 64 KB.
pub(crate) const TEXT_BYTES_MAX: usize = 64_000;

/// Appends a record's line with its line break. Returns whether there was anything to write.
pub(crate) fn write_line(record: &Record, lines: &mut String) -> bool {
    let start = lines.len();
    let written = write_key(record, lines) && write_fields(record, lines);
    if written {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, " {}", record.time.0);
    } else {
        lines.truncate(start);
    }
    written
}

fn write_key(record: &Record, lines: &mut String) -> bool {
    let start = lines.len();
    if record.measurement.is_empty() {
        return false;
    }
    write_escaped(lines, &name(&record.measurement), &[',', ' ']);
    let mut tags: Vec<(Cow<'_, str>, &str)> = record
        .tags
        .iter()
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .map(|(key, value)| (tag_name(record, key), value.as_str()))
        .collect();
    tags.sort_by(|a, b| a.0.cmp(&b.0));
    tags.dedup_by(|later, earlier| later.0 == earlier.0);
    for (key, value) in tags {
        lines.push(',');
        write_escaped(lines, &key, &[',', '=', ' ']);
        lines.push('=');
        write_escaped(lines, value, &[',', '=', ' ']);
    }
    lines.len() - start <= KEY_BYTES_MAX
}

fn write_fields(record: &Record, lines: &mut String) -> bool {
    let mut first = true;
    for (key, value) in &record.fields {
        if key.is_empty() || matches!(value, FieldValue::Float(float) if !float.is_finite()) {
            continue;
        }
        lines.push(if first { ' ' } else { ',' });
        first = false;
        write_escaped(lines, &name(key), &[',', '=', ' ']);
        lines.push('=');
        let _ = match value {
            // The shortest text that reads back as the same number, with an exponent where it is long.
            FieldValue::Float(float) => write!(lines, "{float:?}"),
            FieldValue::Integer(integer) => write!(lines, "{integer}i"),
            FieldValue::Boolean(truth) => write!(lines, "{truth}"),
            FieldValue::Text(text) => {
                write_text(lines, text);
                Ok(())
            }
        };
    }
    !first
}

fn tag_name<'a>(record: &Record, key: &'a str) -> Cow<'a, str> {
    if record.fields.iter().any(|(field, _)| field == key) { format!("{}_tag", name(key)).into() } else { name(key) }
}

fn name(text: &str) -> Cow<'_, str> {
    match text.as_bytes() {
        [b'_' | b'#', ..] => format!("x{text}").into(),
        b"time" => "time_".into(),
        _ => text.into(),
    }
}

fn write_escaped(lines: &mut String, text: &str, special: &[char]) {
    let mut chars = text.chars().map(without_break).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.peek() {
                Some(next) if *next != '\\' && !special.contains(next) => lines.push('\\'),
                _ => lines.push('/'),
            },
            c if special.contains(&c) => lines.extend(['\\', c]),
            c => lines.push(c),
        }
    }
}

fn write_text(lines: &mut String, text: &str) {
    lines.push('"');
    for c in text[..text.floor_char_boundary(TEXT_BYTES_MAX)].chars().map(without_break) {
        if matches!(c, '"' | '\\') {
            lines.push('\\');
        }
        lines.push(c);
    }
    lines.push('"');
}

fn without_break(c: char) -> char {
    if matches!(c, '\n' | '\r') { ' ' } else { c }
}

#[cfg(test)]
mod tests;
