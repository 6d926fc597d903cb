//! Which of what was found is which of what was expected.

/// Gives each of `wanted` things one of `found` that fits, each at most once, so that as many as possible have one.
///
/// An expectation that names few labels may fit several alerts, of which another fits only one: taking the first would call a good
/// outcome bad. This is Kuhn's algorithm (augmenting paths in a bipartite graph).
pub(super) fn pair(wanted: usize, found: usize, fits: &dyn Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
    let mut taken_by: Vec<Option<usize>> = vec![None; found];
    for place in 0..wanted {
        let mut tried = vec![false; found];
        give(place, &mut taken_by, &mut tried, fits);
    }
    let mut pairs = vec![None; wanted];
    for (found, wanted) in taken_by.into_iter().enumerate() {
        if let Some(wanted) = wanted {
            pairs[wanted] = Some(found);
        }
    }
    pairs
}

/// Finds one for `wanted`, where need be by giving another one to whoever has it. As deep as things are expected at one time.
fn give(
    wanted: usize,
    taken_by: &mut [Option<usize>],
    tried: &mut [bool],
    fits: &dyn Fn(usize, usize) -> bool,
) -> bool {
    for found in 0..taken_by.len() {
        if tried[found] || !fits(wanted, found) {
            continue;
        }
        tried[found] = true;
        if taken_by[found].is_none_or(|other| give(other, taken_by, tried, fits)) {
            taken_by[found] = Some(wanted);
            return true;
        }
    }
    false
}

/// The best of what is left for showing beside something that nothing fits; `None` where nothing is alike.
pub(super) fn nearest(left: &[usize], likeness: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    left.iter()
        .filter_map(|&found| Some((likeness(found)?, found)))
        .max_by_key(|&(likeness, found)| (likeness, usize::MAX - found))
        .map(|best| best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_possible_find_one() {
        for (fits, expected) in [
            // The first fits both, the second only what the first would take.
            (&[(0, 0), (0, 1), (1, 0)][..], vec![Some(1), Some(0)]),
            (&[(0, 0), (1, 0)], vec![Some(0), None]),
            (&[], vec![None, None]),
            (&[(1, 1)], vec![None, Some(1)]),
        ] {
            let found = pair(2, 2, &|wanted, found| fits.contains(&(wanted, found)));
            assert_eq!(found, expected, "{fits:?}");
        }
    }
}
