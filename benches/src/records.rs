//! The log records of the load: what a service says of each request it answers.

use crate::series::mix;

/// Bytes of every record's text.
pub const BODY_BYTES: usize = 120;

/// Attributes of every record.
pub const ATTRIBUTES: usize = 6;

/// One record, made from its number and round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// OTLP's number and word for the severity.
    pub severity: (u64, &'static str),
    /// [`BODY_BYTES`] of ASCII.
    pub body: String,
    /// Five that repeat, one of them a number, and one that is never the same.
    pub attributes: [(&'static str, Attribute); ATTRIBUTES],
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Text of a few.
    Word(&'static str),
    /// Text of its own.
    Text(String),
    /// A number.
    Number(u64),
}

impl LogRecord {
    /// The record of that number in a round.
    pub fn new(number: usize, round: usize) -> Self {
        let noise = mix((number as u64) << 20 | round as u64);
        let one_of = |words: &[&'static str], shift: u32| words[(noise >> shift) as usize % words.len()];
        let method = one_of(&["GET", "POST", "PUT", "DELETE"], 0);
        let route = one_of(&["/orders/{id}", "/carts/{id}/items", "/customers/{id}", "/search", "/healthz"], 8);
        let status = [200, 200, 200, 204, 301, 404, 429, 503][(noise >> 16) as usize % 8];
        let request = format!("{noise:016x}");
        let mut body = format!(
            "request {request} was answered with {status} in {} us by upstream {} after {} tries; ",
            noise % 100_000,
            noise >> 24 & 0xff,
            noise >> 32 & 3
        );
        body.extend("connection kept alive, nothing else to report ".chars().cycle().take(BODY_BYTES));
        body.truncate(BODY_BYTES);
        Self {
            severity: match status {
                503 => (17, "ERROR"),
                404 | 429 => (13, "WARN"),
                _ => (9, "INFO"),
            },
            body,
            attributes: [
                ("http.request.method", Attribute::Word(method)),
                ("http.route", Attribute::Word(route)),
                ("http.response.status_code", Attribute::Number(status)),
                ("thread.name", Attribute::Word(one_of(&["worker-0", "worker-1", "worker-2", "worker-3"], 40))),
                ("code.function.name", Attribute::Word(one_of(&["serve", "proxy", "authorize"], 48))),
                ("request.id", Attribute::Text(request)),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_has_its_length_and_every_request_its_id() {
        let records: Vec<_> = (0..100).map(|number| LogRecord::new(number, number % 3)).collect();
        assert!(records.iter().all(|record| record.body.len() == BODY_BYTES));
        let ids = records.iter().map(|record| &record.attributes[5]);
        assert_eq!(
            ids.clone().count(),
            ids.map(|id| format!("{id:?}")).collect::<std::collections::HashSet<_>>().len()
        );
    }
}
