//! Errors as text for people.

use std::fmt;

/// An error with its causes, outermost first, without what is said twice.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Characters of an answer that are kept: a row of `flyball.remediations` is no place for an error page.
const ANSWER_CHARS_MAX: usize = 200;

/// What a peer said when it refused: its status and the start of its answer, on one line.
pub fn refusal(status: impl fmt::Display, answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let answer: String = words.join(" ").chars().take(ANSWER_CHARS_MAX).collect();
    if answer.is_empty() { status.to_string() } else { format!("{status}: {answer}") }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[derive(Debug)]
    struct Chain(&'static str, Option<Box<Chain>>);

    impl fmt::Display for Chain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Chain {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn causes_follow_and_nothing_is_said_twice() {
        let refused = Chain("connection refused", None);
        let connect = Chain("tcp: connection refused", Some(Box::new(refused)));
        let send = Chain("error sending request", Some(Box::new(connect)));
        assert_eq!(explain(&send), "error sending request: tcp: connection refused");
    }

    #[test]
    fn a_refusal_is_one_short_line() {
        assert_eq!(refusal("400 Bad Request", b""), "400 Bad Request");
        assert_eq!(refusal(400, b"no such\r\n\tdeployment\x1b[0m"), "400: no such deployment [0m");
        assert_eq!(refusal(400, &[0xff; 5000]).chars().count(), "400: ".len() + ANSWER_CHARS_MAX);
    }
}
