//! Things in words, and when two numbers are the same.

use std::collections::BTreeMap;

use flyball_model::event::identity_text;

/// Two numbers are the same up to this part of the larger one: sums of floats depend on their order.
const TOLERANCE: f64 = 1e-6;

pub(super) fn same_number(one: f64, other: f64) -> bool {
    let near = || (one - other).abs() <= TOLERANCE * one.abs().max(other.abs());
    one == other || (one.is_nan() && other.is_nan()) || (one.is_finite() && other.is_finite() && near())
}

/// A number with at most nine digits that say something: 0.1 + 0.2 is 0.3 to people.
pub(super) fn number(value: f64) -> String {
    let rounded = format!("{value:.8e}").parse().unwrap_or(value);
    let size = f64::abs(rounded);
    if size != 0.0 && !(1e-4..1e15).contains(&size) { format!("{rounded:e}") } else { rounded.to_string() }
}

/// `{a=1,b=2}`
pub(super) fn braced(labels: &BTreeMap<String, String>) -> String {
    format!("{{{}}}", identity_text(labels))
}

/// ` a=1 b=2`
pub(crate) fn numbers(values: &BTreeMap<String, f64>) -> String {
    values.iter().map(|(name, &value)| format!(" {name}={}", number(value))).collect()
}

/// Whether every label that is wanted is there.
pub(super) fn has_all(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| found.get(name) == Some(value))
}

/// How many labels that are wanted are there.
pub(super) fn alike(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> usize {
    wanted.iter().filter(|(name, value)| found.get(*name) == Some(value)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_would() {
        for (value, expected) in [
            (0.1 + 0.2, "0.3"),
            (3.0, "3"),
            (1_767_225_600.0, "1767225600"),
            (0.0, "0"),
            (1e-9, "1e-9"),
            (2.0 / 3.0, "0.666666667"),
            (-1e20, "-1e20"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert!(same_number(0.1 + 0.2, 0.3) && same_number(f64::NAN, f64::NAN) && same_number(0.0, -0.0));
        assert!(!same_number(1.0, 1.001) && !same_number(f64::INFINITY, 1.0));
    }
}
