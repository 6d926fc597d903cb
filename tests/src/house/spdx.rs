//! SPDX licence expressions: `MIT OR Apache-2.0 AND (ISC OR X WITH Y)`.

use std::iter::Peekable;

/// Whether a licensee who accepts the licences that `allowed` knows may use what is under `expression`. `X WITH Y` is
/// asked for as one; the old `MIT/Apache-2.0` means OR.
///
/// # Errors
/// When the expression cannot be read; the text says where.
pub(super) fn satisfied(expression: &str, allowed: impl Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = or(&mut words, &allowed)?;
    match words.next() {
        None => Ok(verdict),
        Some(word) => Err(format!("`{word}` was not expected")),
    }
}

fn or<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    allowed: &impl Fn(&str) -> bool,
) -> Result<bool, String> {
    let mut verdict = and(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        verdict |= and(words, allowed)?;
    }
    Ok(verdict)
}

// AND binds more tightly than OR.
fn and<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    allowed: &impl Fn(&str) -> bool,
) -> Result<bool, String> {
    let mut verdict = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed)?;
    }
    Ok(verdict)
}

fn one<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    allowed: &impl Fn(&str) -> bool,
) -> Result<bool, String> {
    match words.next() {
        Some("(") => {
            let verdict = or(words, allowed)?;
            words.next_if_eq(&")").map(|_| verdict).ok_or_else(|| "a `)` is missing".to_owned())
        }
        None | Some(")" | "OR" | "AND" | "WITH") => Err("a licence is missing".to_owned()),
        Some(id) if words.next_if_eq(&"WITH").is_some() => {
            let exception = words.next().ok_or("an exception is missing after WITH")?;
            Ok(allowed(&format!("{id} WITH {exception}")))
        }
        Some(id) => Ok(allowed(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_by_their_operators() {
        let allowed = |id: &str| matches!(id, "MIT" | "Apache-2.0" | "Apache-2.0 WITH LLVM-exception");
        for (expression, verdict) in [
            ("MIT", Ok(true)),
            ("GPL-3.0", Ok(false)),
            ("GPL-3.0 OR MIT", Ok(true)),
            ("GPL-3.0/MIT", Ok(true)),
            ("MIT AND GPL-3.0", Ok(false)),
            ("GPL-3.0 AND MIT OR MIT", Ok(true)),
            ("GPL-3.0 AND (MIT OR MIT)", Ok(false)),
            ("(MIT OR GPL-3.0) AND Apache-2.0", Ok(true)),
            ("Apache-2.0 WITH LLVM-exception", Ok(true)),
            ("MIT WITH LLVM-exception", Ok(false)),
            ("", Err("a licence is missing".to_owned())),
            ("MIT OR", Err("a licence is missing".to_owned())),
            ("(MIT", Err("a `)` is missing".to_owned())),
            ("MIT Apache-2.0", Err("`Apache-2.0` was not expected".to_owned())),
        ] {
            assert_eq!(satisfied(expression, allowed), verdict, "{expression}");
        }
    }
}
