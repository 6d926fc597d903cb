//! The name that was likely meant.

/// The most similar of `names`, if one is similar enough to be worth naming: at most a third of its letters differ.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let best = names
        .into_iter()
        .map(|candidate| {
            let other_case = strsim::damerau_levenshtein(name, candidate);
            (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), other_case, candidate)
        })
        .min()?;
    let letters = wanted.chars().count().max(best.2.chars().count());
    (best.0 * 3 <= letters.max(3)).then_some(best.2)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let names = ["host", "value", "time"];
        assert_eq!(nearest("hots", names), Some("host"));
        assert_eq!(nearest("VALUES", names), Some("value"));
        assert_eq!(nearest("deployment", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
