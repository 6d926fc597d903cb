//! What an answer means. One table for all versions, from what the servers' sources and documents say.
//!
//! | answer | means |
//! |---|---|
//! | 2xx | delivered |
//! | 400, 422 with `partial write` | the good lines are stored; the others are refused for good |
//! | 404 on 1.x with `database not found` | make the database and write again |
//! | 401, 403, other 404 | a person must act; tried again, slowly |
//! | 429, 5xx, no answer | later, as `Retry-After` says or after a pause |
//! | other | the whole batch is refused for good |

use std::time::Duration;

use serde_json::Value;

use crate::options::InfluxVersion;

/// Why a store refused lines. A closed list: each is a label value of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    FieldType,
    Retention,
    Parse,
    TooLarge,
    Limit,
    /// It never set out: line protocol has no words for it.
    Unwritable,
    Other,
}

impl Refusal {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Refusal::FieldType => "field_type_conflict",
            Refusal::Retention => "beyond_retention",
            Refusal::Parse => "unparsable",
            Refusal::TooLarge => "too_large",
            Refusal::Limit => "limit_reached",
            Refusal::Unwritable => "unwritable",
            Refusal::Other => "other",
        }
    }

    /// The reason of a word; one that a later version wrote is another one.
    pub(crate) fn parse(word: &str) -> Refusal {
        let all = [
            Refusal::FieldType,
            Refusal::Retention,
            Refusal::Parse,
            Refusal::TooLarge,
            Refusal::Limit,
            Refusal::Unwritable,
        ];
        all.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Refusal::Other)
    }

    /// The reason behind a server's sentence.
    fn of(sentence: &str) -> Refusal {
        let sentence = sentence.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
        if has(&["field type conflict", "invalid column type", "column type mismatch", "schema conflict"]) {
            Refusal::FieldType
        } else if has(&["retention policy", "retention"]) {
            Refusal::Retention
        } else if has(&["max-values-per-tag", "max-series", "limit", "max key length"]) {
            Refusal::Limit
        } else if has(&["unable to parse", "parse", "invalid field format", "missing field"]) {
            Refusal::Parse
        } else {
            Refusal::Other
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The store has all of it.
    Delivered,
    /// The store has all of it but these lines, and will never take them.
    Refused {
        /// Lines by reason; never more than the batch has.
        lines: Vec<(Refusal, u64)>,
        /// What the store said.
        error: String,
    },
    /// The database is missing, and making it is ours.
    NoDatabase {
        /// What the store said.
        error: String,
    },
    /// Not now.
    Later {
        /// When the store asked for a certain pause.
        after: Option<Duration>,
        /// What happened.
        error: String,
    },
    /// Not before somebody did something.
    Blocked {
        /// What happened, and what to do.
        error: String,
    },
}

/// What an answer to a write of `lines` lines means. `body` is its beginning.
pub(crate) fn judge(version: InfluxVersion, status: u16, body: &str, after: Option<Duration>, lines: u64) -> Verdict {
    let said = sentence(body);
    let error = format!("{status}: {}", if said.is_empty() { "no reason given" } else { &said });
    match status {
        200..300 => Verdict::Delivered,
        429 | 500.. => Verdict::Later { after, error },
        401 | 403 => Verdict::Blocked {
            error: format!("{error}; check token, username and password, and that they may write there"),
        },
        404 if version == InfluxVersion::V1 && said.contains("database not found") => Verdict::NoDatabase { error },
        404 => Verdict::Blocked { error: format!("{error}; check url, org and bucket") },
        400 | 422 => Verdict::Refused { lines: refused(body, &said, lines), error },
        413 => Verdict::Refused { lines: vec![(Refusal::TooLarge, lines)], error },
        // A redirect, say: the address is not that of the store.
        _ => Verdict::Blocked { error: format!("{error}; is this the address of the store?") },
    }
}

/// The server's sentence: `error` of 1.x and 3, `message` of 2.x, else the beginning of the body.
fn sentence(body: &str) -> String {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let said = json.as_ref().and_then(|json| {
        let said = json.get("error").or_else(|| json.get("message"))?.as_str()?;
        // Version 3 says why in a list beside its sentence.
        let first = json.get("data").map(|data| data.get(0).unwrap_or(data));
        match first.and_then(|line| line.get("error_message")).and_then(Value::as_str) {
            Some(reason) => Some(format!("{said}: {reason}")),
            None => Some(said.to_owned()),
        }
    });
    let mut said = said.unwrap_or_else(|| body.trim().to_owned());
    const SENTENCE_BYTES_MAX: usize = 500;
    said.truncate(said.floor_char_boundary(SENTENCE_BYTES_MAX));
    said
}

/// The lines that a 400 or 422 refuses.
fn refused(body: &str, said: &str, lines: u64) -> Vec<(Refusal, u64)> {
    if let Some(list) = serde_json::from_str::<Value>(body).ok().as_ref().and_then(|json| json.get("data")?.as_array())
    {
        // Version 3 lists each line that it refused, up to a hundred.
        let mut counted: Vec<(Refusal, u64)> = Vec::new();
        for line in list.iter().take(usize::try_from(lines).unwrap_or(usize::MAX)) {
            let reason = Refusal::of(line.get("error_message").and_then(Value::as_str).unwrap_or_default());
            match counted.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => counted.push((reason, 1)),
            }
        }
        return counted;
    }
    let reason = Refusal::of(said);
    if !said.contains("partial write") {
        return vec![(reason, lines)];
    }
    let dropped = said.rsplit_once("dropped=").and_then(|(_, count)| {
        let digits = count.bytes().take_while(u8::is_ascii_digit).count();
        count[..digits].parse::<u64>().ok()
    });
    // 1.x counts lines that it could not parse nowhere, but complains of each.
    let unparsed = said.matches("unable to parse").count() as u64;
    vec![(reason, dropped.unwrap_or(0).max(unparsed).max(1).min(lines))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use InfluxVersion::{V1, V2, V3};

    fn refused(lines: &[(Refusal, u64)], error: &str) -> Verdict {
        Verdict::Refused { lines: lines.to_vec(), error: error.to_owned() }
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let conflict = r#"partial write: field type conflict: input field "v" on measurement "m" is type integer, already exists as type float dropped=3"#;
        let v1 = |error: &str| serde_json::json!({"error": error}).to_string();
        let v2 = |error: &str| serde_json::json!({"code": "unprocessable entity", "message": error}).to_string();
        let v3 = r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"m v=1i","line_number":1,"error_message":"invalid column type for column 'v'"},{"original_line":"x","line_number":2,"error_message":"No fields were provided; could not parse"}]}"#;
        for (version, status, body, expected) in [
            (V1, 204, String::new(), Verdict::Delivered),
            (V1, 200, String::new(), Verdict::Delivered),
            (V1, 400, v1(conflict), refused(&[(Refusal::FieldType, 3)], &format!("400: {conflict}"))),
            (
                V1,
                400,
                v1("partial write: points beyond retention policy dropped=99"),
                refused(&[(Refusal::Retention, 10)], "400: partial write: points beyond retention policy dropped=99"),
            ),
            (
                V1,
                400,
                v1("partial write: unable to parse 'a': x\nunable to parse 'b': y dropped=0"),
                refused(
                    &[(Refusal::Parse, 2)],
                    "400: partial write: unable to parse 'a': x\nunable to parse 'b': y dropped=0",
                ),
            ),
            (
                V1,
                400,
                v1("unable to parse 'a': missing fields"),
                refused(&[(Refusal::Parse, 10)], "400: unable to parse 'a': missing fields"),
            ),
            (
                V1,
                404,
                v1("database not found: \"d\""),
                Verdict::NoDatabase { error: "404: database not found: \"d\"".into() },
            ),
            (
                V1,
                413,
                v1("Request Entity Too Large"),
                refused(&[(Refusal::TooLarge, 10)], "413: Request Entity Too Large"),
            ),
            (
                V2,
                422,
                v2(&format!("failure writing points to database: {conflict}")),
                refused(&[(Refusal::FieldType, 3)], &format!("422: failure writing points to database: {conflict}")),
            ),
            (
                V2,
                404,
                v2("bucket \"b\" not found"),
                Verdict::Blocked { error: "404: bucket \"b\" not found; check url, org and bucket".into() },
            ),
            (
                V2,
                401,
                v2("unauthorized access"),
                Verdict::Blocked {
                    error:
                        "401: unauthorized access; check token, username and password, and that they may write there"
                            .into(),
                },
            ),
            (
                V3,
                400,
                v3.to_owned(),
                refused(
                    &[(Refusal::FieldType, 1), (Refusal::Parse, 1)],
                    "400: partial write of line protocol occurred: invalid column type for column 'v'",
                ),
            ),
            (
                V2,
                503,
                "busy".to_owned(),
                Verdict::Later { after: Some(Duration::from_secs(7)), error: "503: busy".into() },
            ),
            (
                V2,
                429,
                String::new(),
                Verdict::Later { after: Some(Duration::from_secs(7)), error: "429: no reason given".into() },
            ),
            (
                V1,
                302,
                String::new(),
                Verdict::Blocked { error: "302: no reason given; is this the address of the store?".into() },
            ),
        ] {
            assert_eq!(
                judge(version, status, &body, Some(Duration::from_secs(7)), 10),
                expected,
                "{version:?} {status} {body}"
            );
        }
    }
}
