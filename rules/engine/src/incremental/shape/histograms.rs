//! Range functions over histograms, which are plans: `rate(m, …)` is filter → aggregate → projection over the points of `m`.

use datafusion::common::Column;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Aggregate, Expr};
use flyball_model::RowKind;

use super::super::inline::inline;
use super::super::obstacle::Obstacle;
use super::walk::Below;
use super::{HISTOGRAM, TIME, of_time};
use crate::functions::call::RangeWindow;
use crate::functions::histogram::range_of;
use crate::query::bind::reads_clock;

/// The stored columns that a point of a range function is made of, beside series and time.
const OF_POINT: [&str; 2] = ["start_time", HISTOGRAM];

/// The aggregate inside such a plan.
pub(super) struct Change<'p> {
    aggregate: &'p Aggregate,
    range: RangeWindow,
}

impl<'p> Change<'p> {
    /// `None` for an aggregate of a rule's own.
    pub(super) fn of(aggregate: &'p Aggregate) -> Option<Self> {
        let range = aggregate.aggr_expr.iter().find_map(range_of)?;
        Some(Self { aggregate, range })
    }

    /// The column of what it makes of a series.
    ///
    /// # Errors
    /// When there is another one: the time of the newest point.
    pub(super) fn figure(&self) -> Result<String, Obstacle> {
        match self.aggregate.aggr_expr.as_slice() {
            [change] => Ok(change.schema_name().to_string()),
            _ => Err(of_time()),
        }
    }

    /// What it is over, with the figures' columns in the place of the points'. Its window is that of the function, and no predicate.
    pub(super) fn over(&self, points: Below<'p>) -> Result<Below<'p>, Obstacle> {
        let Below { scan, predicates, meaning, .. } = points;
        let mut of_labels = Vec::new();
        for predicate in predicates.into_iter().flat_map(split_conjunction_owned) {
            if !is_of_window(&predicate)? {
                of_labels.push(predicate);
            }
        }
        let schema = self.aggregate.input.schema();
        let labels = self.aggregate.group_expr.iter().map(|label| inline(label.clone(), schema, &meaning));
        let figures = self.aggregate.aggr_expr.iter().map(|expr| {
            let column = if range_of(expr).is_some() { HISTOGRAM } else { TIME };
            Ok(Expr::Column(Column::from_name(column)))
        });
        let meaning = labels.chain(figures).collect::<Result<_, _>>()?;
        Ok(Below { scan, predicates: of_labels, meaning, range: Some(self.range) })
    }
}

/// Whether a predicate says which points lie in the window of an evaluation.
fn is_of_window(predicate: &Expr) -> Result<bool, Obstacle> {
    let columns = predicate.column_refs();
    Ok(!columns.is_empty() && columns.iter().all(|column| column.name == TIME) && reads_clock(predicate)?)
}

/// Which of the stored columns that are no labels the points are made of: their places among those, sorted.
pub(super) fn columns_read(kind: RowKind) -> Vec<usize> {
    let schema = kind.schema();
    // The first stored column is the series.
    OF_POINT.into_iter().filter_map(|name| schema.index_of(name).ok()?.checked_sub(1)).collect()
}
