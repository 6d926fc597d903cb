//! Bounds on an expression before it is parsed, so that a hostile one costs nothing: the parser's tree is walked by recursion.

/// Longer than any expression of a person.
const BYTES_MAX: usize = 64 * 1024;
/// Brackets inside each other.
const DEPTH_MAX: usize = 64;
/// Operators, brackets, words and commas that could nest, one below the other.
const OPERATORS_MAX: usize = 256;

/// Checks an expression's size.
///
/// # Errors
/// A sentence that says what there is too much of.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.len() > BYTES_MAX {
        return Err(format!("the expression is longer than {} KiB", BYTES_MAX / 1024));
    }
    let (mut depth, mut operators) = (0usize, 0usize);
    let mut chars = text.chars();
    let mut word = String::new();
    while let Some(c) = chars.next() {
        if c.is_ascii_alphanumeric() || c == '_' || c == ':' {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        operators += usize::from(matches!(word.as_str(), "and" | "or" | "unless" | "atan2" | "offset"));
        word.clear();
        match c {
            '"' | '\'' | '`' => {
                // To the end of the text literal.
                while let Some(inside) = chars.next() {
                    if inside == '\\' && c != '`' {
                        chars.next();
                    } else if inside == c {
                        break;
                    }
                }
            }
            '#' => drop(chars.by_ref().find(|&c| c == '\n')),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '+' | '-' | '*' | '/' | '%' | '^' | '>' | '<' | '=' | '!' | '@' => operators += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(format!("brackets nest deeper than {DEPTH_MAX}"));
        }
        if operators > OPERATORS_MAX {
            return Err(format!("the expression has more than {OPERATORS_MAX} operators"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused_before_it_is_parsed() {
        assert_eq!(
            check(&format!("{}1{}", "(".repeat(65), ")".repeat(65))),
            Err("brackets nest deeper than 64".into())
        );
        assert_eq!(check(&"-".repeat(1_000)), Err("the expression has more than 256 operators".into()));
        assert_eq!(check(&"a or ".repeat(1_000)), Err("the expression has more than 256 operators".into()));
        assert_eq!(check(&" ".repeat(70_000)), Err("the expression is longer than 64 KiB".into()));
        assert_eq!(check(&format!("m{{a=\"{}\"}}", "(-".repeat(500))), Ok(()));
    }
}
