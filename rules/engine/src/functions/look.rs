//! What a range function's table is, for those who look at plans.

use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;

use super::absent::NeverCame;
use super::call::RangeWindow;
use super::table::RangeTable;
use super::window::Function;

fn range(table: &dyn TableProvider) -> Option<&RangeTable> {
    table.downcast_ref::<RangeTable>()
}

/// Whether it is the table of a range function over numbers.
pub(crate) fn is_range_table(table: &dyn TableProvider) -> bool {
    range(table).is_some()
}

/// What a range function over numbers computes, and how far back it looks; `None` for other tables.
pub(crate) fn range_window_of(table: &dyn TableProvider) -> Option<RangeWindow> {
    range(table).map(RangeTable::range)
}

/// The function's name.
pub(crate) fn range_of(table: &dyn TableProvider) -> Option<&'static str> {
    range(table).map(|table| table.range().function.name())
}

/// The unit of the values, where the metric's is `unit`: another one, or none, behind some range functions.
pub(crate) fn unit_through(table: &dyn TableProvider, unit: &str) -> Option<String> {
    match range(table) {
        Some(table) => table.range().function.unit(unit),
        None => Some(unit.to_owned()),
    }
}

/// Whether it is `absent`, which has a row at the most.
pub(crate) fn is_absent(table: &dyn TableProvider) -> bool {
    is_never_came(table) || range(table).is_some_and(|table| table.range().function == Function::Absent)
}

/// Whether it is `absent` of a metric that never came.
pub(crate) fn is_never_came(table: &dyn TableProvider) -> bool {
    table.is::<NeverCame>()
}

/// How far back the function looks, and how many samples it needs there.
pub(crate) fn window_of(table: &dyn TableProvider) -> Option<(Duration, u32)> {
    let range = range(table)?.range();
    Some((Duration::from_nanos(u64::try_from(range.length).ok()?), range.function.needs()))
}

/// The columns that are labels, and the labels' own names.
pub(crate) fn label_columns_of(table: &dyn TableProvider) -> Option<Vec<(String, Arc<str>)>> {
    range(table).map(RangeTable::label_columns)
}
