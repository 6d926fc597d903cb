//! A number's text, exactly: no float comes between a 64-bit integer and its digits.

/// Digits of an integer that are read. Longer ones fit no type here, and these fit an `i128`.
const DIGITS_MAX: i64 = 38;

/// A number as JSON writes it (RFC 8259, section 6), taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Takes a number apart; `None` when it is not one by JSON's grammar.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (whole, rest) = digits(rest);
        if whole.is_empty() || (whole[0] == b'0' && whole.len() > 1) {
            return None;
        }
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => match digits(rest) {
                ([], _) => return None,
                found => found,
            },
            rest => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }

    /// The integer that this number is; `None` when it has a fraction, or far more digits than 64 bits hold.
    pub(super) fn integer(&self) -> Option<i128> {
        let digits = self.whole.iter().chain(self.fraction);
        let Some(first) = digits.clone().position(|&digit| digit != b'0') else {
            return Some(0);
        };
        // Where the point comes to lie, counted from the first digit. Lengths of texts are far below 2^63.
        let point = (self.whole.len() as i64).saturating_add(self.exponent);
        let length = point.saturating_sub(first as i64);
        if !(1..=DIGITS_MAX).contains(&length) {
            return None;
        }
        let (mut value, mut place) = (0, first as i64);
        for digit in digits.skip(first) {
            if place < point {
                value = value * 10 + i128::from(digit - b'0');
            } else if *digit != b'0' {
                return None;
            }
            place += 1;
        }
        for _ in place..point {
            value *= 10;
        }
        Some(if self.negative { -value } else { value })
    }
}

/// The digits at the start, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

/// An exponent after its `e`. One that no 64 bits hold is as good as the largest.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    match digits(rest) {
        ([], _) => None,
        (found, []) => Some(
            found
                .iter()
                .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(sign * i64::from(digit - b'0'))),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(text: &str) -> Option<i128> {
        Decimal::parse(text).expect("a number").integer()
    }

    #[test]
    fn integers_are_exact_in_all_their_forms() {
        let zeros = "0".repeat(10_000);
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("0.000", 0),
            ("0e99999999999999999999", 0),
            ("0e-99999999999999999999", 0),
            ("18446744073709551615", u64::MAX.into()),
            ("1.8446744073709551615e19", u64::MAX.into()),
            ("1.8446744073709551615E+19", u64::MAX.into()),
            ("184467440737095516150e-1", u64::MAX.into()),
            ("-9223372036854775808.000", i64::MIN.into()),
            ("1e3", 1000),
            ("1.5e3", 1500),
            ("1200e-2", 12),
            ("0.0012e4", 12),
            ("0.00e1", 0),
            ("99999999999999999999999999999999999999", 10_i128.pow(38) - 1),
            (&format!("7.{zeros}"), 7),
            (&format!("7{zeros}e-10000"), 7),
            (&format!("0.{zeros}7e10001"), 7),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_has_a_fraction_or_no_end_is_no_integer() {
        let nines = "9".repeat(10_000);
        for text in ["0.5", "1.01", "1e-1", "15e-1", "1e-99999999999999999999", "1e38", "1e999", &nines] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(integer("1e99999999999999999999"), None);
    }

    #[test]
    fn numbers_follow_the_grammar_of_json() {
        for text in [
            "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1ee1", "1.e1", "0x1", " 1", "1 ", "1,0", "1_0",
            "NaN", "inf", "--1", "1-", "١",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
