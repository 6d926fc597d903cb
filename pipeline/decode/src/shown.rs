//! Text of a sender inside a message.

/// Text fit to be shown to the sender, in a log and on a terminal: cut to `chars_max` characters, and without control characters.
pub(crate) fn shown(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let mut shown = String::new();
    for c in chars.by_ref().take(chars_max) {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        for (given, expected) in [
            ("größer than \"5\"", "größer than \"5\""),
            ("exactly sixteen.", "exactly sixteen."),
            ("one more than 16.", "one more than 16…"),
            ("\u{7f}\u{1b}[31m\n\0", r"\u{7f}\u{1b}[31m\n\u{0}"),
            ("", ""),
        ] {
            assert_eq!(shown(given, 16), expected);
        }
    }
}
