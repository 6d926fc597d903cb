//! Predicates on `time` as a range.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, BinaryExpr};
use datafusion::logical_expr::{Expr, Operator};

use crate::range::TimeRange;

/// The name of the time column in every table.
pub(crate) const TIME: &str = "time";

/// The range of times for which the predicate is true, if it is one on `time` alone and a range says all of it.
pub(crate) fn range_of(predicate: &Expr) -> Option<TimeRange> {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(range_of(left)?.intersect(range_of(right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if is_time(left) {
                compared(*op, bound(right)?)
            } else if is_time(right) {
                compared(op.swap()?, bound(left)?)
            } else {
                None
            }
        }
        Expr::Between(Between { expr, negated: false, low, high }) if is_time(expr) => {
            let low = compared(Operator::GtEq, bound(low)?)?;
            Some(low.intersect(compared(Operator::LtEq, bound(high)?)?))
        }
        _ => None,
    }
}

/// The part of a WHERE clause that is about time: the intersection of all that [`range_of`] understands.
pub(crate) fn range_of_all<'a>(filters: impl IntoIterator<Item = &'a Expr>) -> TimeRange {
    filters.into_iter().filter_map(range_of).fold(TimeRange::ALL, TimeRange::intersect)
}

/// The column, also under a cast that changes nothing.
fn is_time(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == TIME,
        Expr::Cast(cast) => is_same_instant(cast.field.data_type()) && is_time(&cast.expr),
        Expr::TryCast(cast) => is_same_instant(cast.field.data_type()) && is_time(&cast.expr),
        _ => false,
    }
}

fn is_same_instant(to: &DataType) -> bool {
    match to {
        DataType::Timestamp(TimeUnit::Nanosecond, None) => true,
        DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) => matches!(zone.as_ref(), "UTC" | "+00:00" | "Z"),
        _ => false,
    }
}

/// A literal instant in nanoseconds: `None` inside for NULL, which no time compares to. Coarser units that overflow are
/// left to DataFusion.
fn bound(expr: &Expr) -> Option<Option<i64>> {
    let Expr::Literal(literal, _) = expr else { return None };
    let (value, nanos) = match literal {
        ScalarValue::TimestampSecond(value, _) => (value, 1_000_000_000),
        ScalarValue::TimestampMillisecond(value, _) => (value, 1_000_000),
        ScalarValue::TimestampMicrosecond(value, _) => (value, 1_000),
        ScalarValue::TimestampNanosecond(value, _) => (value, 1),
        _ => return None,
    };
    match value {
        None => Some(None),
        Some(value) => value.checked_mul(nanos).map(Some),
    }
}

fn compared(op: Operator, bound: Option<i64>) -> Option<TimeRange> {
    let Some(at) = bound else { return Some(TimeRange::EMPTY) };
    let range = match op {
        Operator::Eq => TimeRange { from: at, to: at },
        Operator::GtEq => TimeRange { from: at, ..TimeRange::ALL },
        Operator::LtEq => TimeRange { to: at, ..TimeRange::ALL },
        Operator::Gt => at.checked_add(1).map_or(TimeRange::EMPTY, |from| TimeRange { from, ..TimeRange::ALL }),
        Operator::Lt => at.checked_sub(1).map_or(TimeRange::EMPTY, |to| TimeRange { to, ..TimeRange::ALL }),
        _ => return None,
    };
    Some(range)
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn at(nanos: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())))
    }

    #[test]
    fn predicates_on_time_become_ranges() {
        let range = |from, to| Some(TimeRange { from, to });
        let zoneless = DataType::Timestamp(TimeUnit::Nanosecond, None);
        for (predicate, expected) in [
            (col("time").gt(at(5)), range(6, i64::MAX)),
            (at(5).gt(col("time")), range(i64::MIN, 4)),
            (col("time").gt_eq(at(5)).and(col("time").lt(at(9))), range(5, 8)),
            (col("time").between(at(5), at(9)), range(5, 9)),
            (col("time").eq(lit(ScalarValue::TimestampSecond(Some(2), None))), range(2_000_000_000, 2_000_000_000)),
            (datafusion::logical_expr::cast(col("time"), zoneless).lt_eq(at(3)), range(i64::MIN, 3)),
            (col("time").gt(lit(ScalarValue::TimestampNanosecond(None, None))), Some(TimeRange::EMPTY)),
            (col("time").gt(at(i64::MAX)), Some(TimeRange::EMPTY)),
            (col("time").not_eq(at(5)), None),
            (col("time").not_between(at(5), at(9)), None),
            (col("value").gt(at(5)), None),
            (col("time").gt(at(5)).or(col("time").lt(at(1))), None),
            (col("time").gt(lit(ScalarValue::TimestampSecond(Some(i64::MAX), None))), None),
        ] {
            assert_eq!(range_of(&predicate), expected, "{predicate}");
        }
    }
}
