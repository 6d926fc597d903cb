//! The name that was likely meant.

/// The most similar of `names`, if one is similar enough to be worth naming: at most a third of its letters differ.
///
/// There may be 100,000 names: what can't be near enough is passed over by its length and letters, without being compared.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let letters = Letters::of(&wanted);
    let mut best: Option<(usize, usize, &str)> = None;
    for candidate in names {
        let lower = candidate.to_lowercase();
        let others = Letters::of(&lower);
        let near_enough = letters.count.max(others.count).max(3) / 3;
        let most = best.map_or(near_enough, |best| near_enough.min(best.0));
        if letters.distance_min(&others) > most {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&wanted, &lower);
        if distance <= most {
            let found = (distance, strsim::damerau_levenshtein(name, candidate), candidate);
            best = Some(best.map_or(found, |best| best.min(found)));
        }
    }
    best.map(|best| best.2)
}

/// How often each letter stands in a text; letters beyond ASCII share places.
struct Letters {
    count: usize,
    of: [u16; 128],
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut letters = Self { count: 0, of: [0; 128] };
        for letter in text.chars() {
            letters.count += 1;
            let of = &mut letters.of[letter as usize % 128];
            *of = of.saturating_add(1);
        }
        letters
    }

    /// Two texts are at least this far apart: each letter that the one has more of must be changed or taken away.
    fn distance_min(&self, other: &Self) -> usize {
        let more = |a: &Self, b: &Self| -> usize {
            a.of.iter().zip(&b.of).map(|(&a, &b)| usize::from(a.saturating_sub(b))).sum()
        };
        more(self, other).max(more(other, self))
    }
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
        assert_eq!(
            nearest("Host", ["HOST", "hosT", "host"]),
            Some("host"),
            "of two that differ in case the more alike"
        );
        assert_eq!(nearest("häst", ["hast", "ht"]), Some("hast"));
    }

    #[test]
    fn among_many_names_few_are_compared() {
        let names: Vec<_> =
            (0..100_000).map(|number| format!("http_server_{number}_request_duration_seconds")).collect();
        let names = || names.iter().map(String::as_str);
        // Each would take seconds if all names were compared.
        assert_eq!(nearest("node_load1", names()), None);
        let slip = "http_server_77777_reqeust_duration_seconds";
        assert_eq!(nearest(slip, names()), Some("http_server_77777_request_duration_seconds"));
    }
}
