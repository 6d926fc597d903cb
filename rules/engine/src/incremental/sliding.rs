//! The window of a rule: how far it looks back, and in which steps it moves.
//!
//! Points are put together in panes, one step long each. The far edge of the window always lies between two panes, so that what leaves the window
//! leaves as a whole, and nothing has to be read again. For that the time of an evaluation is taken down to a multiple of the step: `now()`
//! in a rule that is kept incrementally moves in steps of a sixtieth of its window. New points count at once, whatever the step.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Operator};
use flyball_model::UnixNanos;

use super::obstacle::Obstacle;
use super::shape::told;
use crate::query::bind::{Binder, reads_clock};

/// A window has so many steps, or some more.
const STEPS: i64 = 60;

const MILLI: i64 = 1_000_000;

/// Steps that people understand, and that whole windows can be divided by: milliseconds, longest first.
const STEPS_MILLIS: [i64; 19] = [
    3_600_000, 1_800_000, 600_000, 300_000, 60_000, 30_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5,
    2, 1,
];

/// The shortest step, unless the window is no multiple of it.
const STEP_MIN_MILLIS: i64 = 100;

/// A window that ends with the newest point, and begins `length` before the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sliding {
    /// Nanoseconds; a multiple of `step`.
    pub(crate) length: i64,
    /// Whether a point that is exactly `length` old belongs to it.
    pub(crate) inclusive: bool,
    /// Nanoseconds.
    pub(crate) step: i64,
}

impl Sliding {
    /// The window that a predicate on `time` asks for; `None` when it is not about time and the clock.
    pub(super) fn of(predicate: &Expr) -> Result<Option<Self>, Obstacle> {
        if !reads_clock(predicate)? {
            return Ok(None);
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = predicate else {
            return Err(unclear(predicate));
        };
        if *op == Operator::Or {
            return Err(Obstacle::new("its bound on time stands beside an OR")
                .hint("put parentheses around what the OR is about: time > now() - INTERVAL '…' AND (… OR …)"));
        }
        let (op, bound) = match (is_time(left), is_time(right)) {
            (true, false) => (*op, right),
            (false, true) => (op.swap().ok_or_else(|| unclear(predicate))?, left),
            _ => return Err(unclear(predicate)),
        };
        if has_months(bound)? {
            return Err(Obstacle::new("its window is of months, which have no fixed length")
                .hint("write days: INTERVAL '30 days'"));
        }
        let Some(shift) = shift_of(bound)? else { return Err(unclear(predicate)) };
        match op {
            Operator::Gt | Operator::GtEq if shift < 0 => Self::new(-shift, op == Operator::GtEq).map(Some),
            Operator::Lt | Operator::LtEq => Err(Obstacle::new("its window has an end, not only a beginning")
                .hint("leave the end out: no point is newer than now() but those whose sender's clock is ahead")),
            _ => Err(unclear(predicate)),
        }
    }

    /// A window of so many nanoseconds.
    pub(super) fn new(length: i64, inclusive: bool) -> Result<Self, Obstacle> {
        let longest = (length / MILLI / STEPS).max(STEP_MIN_MILLIS);
        let step = STEPS_MILLIS.into_iter().find(|&step| step <= longest && length % (step * MILLI) == 0);
        let step = step.ok_or_else(|| Obstacle::new("its window is not a whole number of milliseconds"))?;
        Ok(Self { length, inclusive, step: step * MILLI })
    }

    /// What `now()` is to the rule when it is evaluated at `now`.
    #[cfg(test)]
    pub(crate) fn evaluated_at(&self, now: UnixNanos) -> UnixNanos {
        UnixNanos(now.0.div_euclid(self.step).saturating_mul(self.step))
    }

    /// The pane of a point.
    #[inline]
    pub(super) fn pane_of(&self, time: i64) -> i64 {
        if self.inclusive { time.div_euclid(self.step) } else { time.saturating_sub(1).div_euclid(self.step) }
    }

    /// The same of many points, most of which have the pane of the one before.
    pub(super) fn panes(&self) -> PanesOf {
        PanesOf { window: *self, pane: 0, from: 0, to: 0 }
    }

    /// Whether points have the same panes in another window.
    pub(super) fn has_panes_of(&self, other: Self) -> bool {
        (self.step, self.inclusive) == (other.step, other.inclusive)
    }

    /// The first pane in the window of an evaluation at `now`.
    pub(super) fn first_pane(&self, now: UnixNanos) -> i64 {
        now.0.saturating_sub(self.length).div_euclid(self.step)
    }

    /// The first instant that may belong to a pane.
    pub(super) fn start_of(&self, pane: i64) -> UnixNanos {
        UnixNanos(pane.saturating_mul(self.step))
    }
}

/// The panes of points, one after the other.
#[derive(Debug)]
pub(super) struct PanesOf {
    window: Sliding,
    /// That of the point before, and what times belong to it.
    pane: i64,
    from: i64,
    to: i64,
}

impl PanesOf {
    /// The pane of a point.
    #[inline]
    pub(super) fn of(&mut self, time: i64) -> i64 {
        if time < self.from || time >= self.to {
            let Sliding { step, inclusive, .. } = self.window;
            self.pane = self.window.pane_of(time);
            self.from = self.pane.saturating_mul(step).saturating_add(i64::from(!inclusive));
            self.to = self.from.saturating_add(step);
        }
        self.pane
    }
}

fn unclear(predicate: &Expr) -> Obstacle {
    Obstacle::new(format!("now() is used in \"{}\"", told(predicate)))
        .hint("only time > now() - INTERVAL '…' or time >= now() - INTERVAL '…' says how long points count")
}

/// The column `time`, also under a cast that changes nothing.
fn is_time(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == "time",
        Expr::Cast(cast) => {
            matches!(
                cast.field.data_type(),
                arrow::datatypes::DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, _)
            ) && is_time(&cast.expr)
        }
        _ => false,
    }
}

/// Whether an interval in it is of months or years.
fn has_months(bound: &Expr) -> Result<bool, Obstacle> {
    let is_of_months = |expr: &Expr| {
        Ok(match expr {
            Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => interval.months != 0,
            Expr::Literal(ScalarValue::IntervalYearMonth(Some(months)), _) => *months != 0,
            _ => false,
        })
    };
    Ok(bound.exists(is_of_months)?)
}

/// How far a bound lies from the evaluation's instant in nanoseconds, if it is always the same: not so with months, and not with
/// `date_trunc`.
fn shift_of(bound: &Expr) -> Result<Option<i64>, Obstacle> {
    if !bound.column_refs().is_empty() {
        return Ok(None);
    }
    // One in a month of 28 days, one in a month of 31, none of them round.
    let instants = [1_771_939_445_678_901_234, 1_785_765_432_109_876_543, 1_796_304_000_123_456_789];
    let mut shift = None;
    for instant in instants {
        let binder = Binder::new(UnixNanos(instant), &std::sync::Arc::default())?;
        let Expr::Literal(literal, _) = binder.bind_expr(bound.clone())? else { return Ok(None) };
        let ScalarValue::TimestampNanosecond(Some(nanos), _) = literal else { return Ok(None) };
        let here = nanos - instant;
        if shift.is_some_and(|before| before != here) {
            return Ok(None);
        }
        shift = Some(here);
    }
    Ok(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_sixtieth_of_the_window_or_less_and_divides_it() {
        for (millis, step) in [
            (60_000, 1_000),
            (300_000, 5_000),
            (3_600_000, 60_000),
            (86_400_000, 600_000),
            (10_000, 100),
            (1_000, 100),
            (90_000, 1_000),
            (1_500, 100),
            (70, 10),
            (7, 1),
        ] {
            let window = Sliding::new(millis * MILLI, false).expect("whole milliseconds");
            assert_eq!(window.step, step * MILLI, "{millis} ms");
        }
        assert!(Sliding::new(1_000_001, false).is_err());
    }

    #[test]
    fn panes_end_where_the_window_does() {
        for inclusive in [false, true] {
            let window = Sliding::new(60_000 * MILLI, inclusive).expect("a minute");
            let now = UnixNanos::from_secs(1000);
            for (time, inside) in [
                (940_000_000_000, inclusive),
                (940_000_000_001, true),
                (939_999_999_999, false),
                (2_000_000_000_000, true),
            ] {
                assert_eq!(window.pane_of(time) >= window.first_pane(now), inside, "{time}, {inclusive}");
                let mut panes = window.panes();
                for near in [time, time + 1, time - 1, i64::MAX, i64::MIN, time] {
                    assert_eq!(panes.of(near), window.pane_of(near), "{near}, {inclusive}");
                }
            }
            assert!(window.pane_of(window.start_of(940).0 + 1) >= 940);
        }
    }
}
