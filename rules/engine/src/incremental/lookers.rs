//! The rules that look at the groups of a partition, sorted so that of many which differ in a number only those are asked that may find something.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;

/// A comparison without which HAVING can't be true.
#[derive(Debug)]
pub(super) struct Threshold {
    pub(super) of: Of,
    /// One of `>`, `>=`, `<` and `<=`, what it is about on the left.
    pub(super) op: Operator,
    pub(super) value: f64,
}

/// What a threshold is about.
#[derive(Debug)]
pub(super) enum Of {
    /// An aggregate, by its place among them.
    Aggregate(usize),
    /// An expression over the columns of groups, and its text.
    Expression(Arc<dyn PhysicalExpr>, String),
}

/// The least and the greatest of some values, in total order; `None` if there are none.
pub(super) type Extremes = Option<(f64, f64)>;

/// The extremes of some values.
pub(super) fn extremes(values: impl Iterator<Item = f64>) -> Extremes {
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for value in values {
        let rank = by_rank(value.to_bits().cast_signed());
        (least, greatest) = (least.min(rank), greatest.max(rank));
    }
    let value = |rank: i64| f64::from_bits(by_rank(rank).cast_unsigned());
    (least <= greatest).then(|| (value(least), value(greatest)))
}

/// Of the bits of a number a rank that rises as numbers do in total order, and of a rank the bits.
fn by_rank(bits: i64) -> i64 {
    bits ^ (bits >> 63 & i64::MAX)
}

/// Rules by their places in a table.
#[derive(Debug, Default)]
pub(super) struct Lookers {
    /// Those without a threshold.
    unbounded: Vec<usize>,
    bounds: Vec<Bounds>,
    /// Those that find groups now.
    finding: BTreeSet<usize>,
    /// Those that ask for the partition and look at something else that is made of it.
    asking: Vec<usize>,
}

/// Thresholds about the same, with the rules whose they are.
#[derive(Debug)]
struct Bounds {
    of: Of,
    /// Those that a value has to be above of; those that it is above of come first.
    above: Vec<Bound>,
    /// Those that a value has to be below of; those that it is below of come first.
    below: Vec<Bound>,
}

#[derive(Debug)]
struct Bound {
    op: Operator,
    value: f64,
    place: usize,
}

impl Of {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Of::Aggregate(one), Of::Aggregate(other)) => one == other,
            (Of::Expression(_, one), Of::Expression(_, other)) => one == other,
            _ => false,
        }
    }
}

impl Bound {
    fn holds(&self, value: f64) -> bool {
        let order = value.total_cmp(&self.value);
        match self.op {
            Operator::Gt => order.is_gt(),
            Operator::GtEq => order.is_ge(),
            Operator::Lt => order.is_lt(),
            _ => order.is_le(),
        }
    }

    /// Whether it holds of all values of which another of the same side holds.
    fn comes_before(&self, other: &Self) -> bool {
        let order = match self.op {
            Operator::Gt | Operator::GtEq => self.value.total_cmp(&other.value),
            _ => other.value.total_cmp(&self.value),
        };
        let includes = |bound: &Self| matches!(bound.op, Operator::GtEq | Operator::LtEq);
        order.is_lt() || order.is_eq() && (includes(self) || !includes(other))
    }
}

impl Lookers {
    pub(super) fn is_empty(&self) -> bool {
        self.unbounded.is_empty() && self.bounds.is_empty() && self.asking.is_empty()
    }

    /// Those that look.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let bounds = self.bounds.iter().flat_map(|bounds| bounds.above.iter().chain(&bounds.below));
        self.unbounded.iter().copied().chain(bounds.map(|bound| bound.place))
    }

    /// Those that find groups now.
    pub(super) fn finding(&self) -> impl Iterator<Item = usize> {
        self.finding.iter().copied()
    }

    /// Takes note of whether a rule finds groups now.
    pub(super) fn finds(&mut self, place: usize, finds: bool) {
        if finds {
            self.finding.insert(place);
        } else {
            self.finding.remove(&place);
        }
    }

    /// No rule finds groups now.
    pub(super) fn find_nothing(&mut self) {
        self.finding.clear();
    }

    /// One rule more that does not look.
    pub(super) fn ask(&mut self, place: usize) {
        self.asking.push(place);
    }

    /// One rule more.
    pub(super) fn join(&mut self, place: usize, threshold: Option<Threshold>) {
        let Some(Threshold { of, op, value }) = threshold else {
            self.unbounded.push(place);
            return;
        };
        let known = self.bounds.iter().position(|bounds| bounds.of.is(&of));
        let at = known.unwrap_or_else(|| {
            self.bounds.push(Bounds { of, above: Vec::new(), below: Vec::new() });
            self.bounds.len() - 1
        });
        let Bounds { above, below, .. } = &mut self.bounds[at];
        let sorted = if matches!(op, Operator::Gt | Operator::GtEq) { above } else { below };
        let new = Bound { op, value, place };
        sorted.insert(sorted.partition_point(|bound| bound.comes_before(&new)), new);
    }

    /// A rule is gone.
    pub(super) fn leave(&mut self, place: usize) {
        self.finding.remove(&place);
        self.unbounded.retain(|&other| other != place);
        self.asking.retain(|&other| other != place);
        for Bounds { above, below, .. } in &mut self.bounds {
            above.retain(|bound| bound.place != place);
            below.retain(|bound| bound.place != place);
        }
        self.bounds.retain(|bounds| !bounds.above.is_empty() || !bounds.below.is_empty());
    }

    /// Those that have to look at groups for which `extremes_of` gives the extremes of what thresholds are about; all whose threshold that is if
    /// it can't.
    pub(super) fn looking(&self, mut extremes_of: impl FnMut(&Of) -> Result<Extremes>) -> BTreeSet<usize> {
        let mut looking = self.finding.clone();
        looking.extend(&self.unbounded);
        for Bounds { of, above, below } in &self.bounds {
            let (above, below) = match extremes_of(of) {
                Ok(None) => continue,
                Ok(Some((least, greatest))) => (
                    &above[..above.partition_point(|bound| bound.holds(greatest))],
                    &below[..below.partition_point(|bound| bound.holds(least))],
                ),
                Err(_) => (above.as_slice(), below.as_slice()),
            };
            looking.extend(above.iter().chain(below).map(|bound| bound.place));
        }
        looking
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extremes_are_those_of_the_total_order() {
        let rising =
            [-f64::NAN, f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-300, 2.0, f64::INFINITY, f64::NAN];
        for (at, least) in rising.iter().enumerate() {
            for greatest in &rising[at..] {
                let (low, high) = extremes([*greatest, *least, *greatest].into_iter()).expect("there are values");
                assert_eq!((low.to_bits(), high.to_bits()), (least.to_bits(), greatest.to_bits()));
            }
        }
        assert!(extremes(std::iter::empty()).is_none());
    }

    proptest! {
        #[test]
        fn those_are_asked_whose_threshold_holds_of_an_extreme(
            thresholds in prop::collection::vec((0..2_usize, 0..4_usize, 0..6_i8), 0..40),
            gone in prop::collection::vec(0..40_usize, 0..10),
            (one, other) in (-1..7_i8, -1..7_i8),
        ) {
            let ops = [Operator::Gt, Operator::GtEq, Operator::Lt, Operator::LtEq];
            let mut lookers = Lookers::default();
            let mut expected = BTreeSet::new();
            let (least, greatest) = (f64::from(one.min(other)), f64::from(one.max(other)));
            for (place, &(of, op, value)) in thresholds.iter().enumerate() {
                let threshold = Threshold { of: Of::Aggregate(of), op: ops[op], value: f64::from(value) };
                // Of the second aggregate there are no values.
                if of == 0 && [greatest > threshold.value, greatest >= threshold.value, least < threshold.value, least <= threshold.value][op] {
                    expected.insert(place);
                }
                lookers.join(place, Some(threshold));
            }
            lookers.join(thresholds.len(), None);
            expected.insert(thresholds.len());
            for place in gone {
                lookers.leave(place);
                expected.remove(&place);
            }
            let looking = lookers.looking(|of| Ok(of.is(&Of::Aggregate(0)).then_some((least, greatest))));
            prop_assert_eq!(looking, expected);
        }
    }
}
