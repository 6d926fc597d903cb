//! Rules that are kept incrementally: a point costs a look-up and the update of a few numbers, whatever its rules look back on.
//!
//! A rule whose plan is filter → window → group by → aggregates → HAVING and projection over the points of one metric, numbers or histograms, the figures
//! of a range function, log records or spans is taken apart
//! (`shape`), else it is run as a plan, for the reason that an [`Obstacle`] tells. Rules that differ only in their HAVING, their
//! projection, or the values that they ask of labels share one `table` of groups; tables that differ only in their windows and aggregates share
//! which series belong to which group (`grouping`). A table *follows* the points of its metric
//! ([`flyball_store::Follower`], [`flyball_store::RowFollower`]): intake knows nothing of rules, a table that is late catches up in larger steps, and after a restart it begins
//! with what is stored. So the answer is a function of what is stored, the twin, the rule and the time, and equals that of the plan, which a
//! test compares for random rules and points. Rows of the twin are looked up for groups, not for points (`views`).
//!
//! | when | what is evaluated |
//! |---|---|
//! | a series is met for the first time | predicates on labels, group keys (`classify`, `grouping`, `groups`), what aggregates ask of labels (`by_series`) |
//! | points arrive | where their series stand, once for all tables that are brought up to date together (`incoming`) |
//! | records arrive | what all tables ask of a text, in one pass over it (`texts`); which pane of which group each belongs to (`cells`) |
//! | a point arrives | predicates on values; the numbers of its group's pane (`intake`, `accumulate`, `slots`, `panes`), or what DataFusion makes of its values (`sketch`), or which there are (`distinct`) |
//! | a point arrives for a range function | what is kept of its series; then the figures of the series of its group are put together anew (`ranges`) |
//! | the twin has changed | which groups belong together, for rules over a join whose columns are others now (`views`) |
//! | a pane leaves the window | the groups that had points in it have changed |
//! | groups have changed | HAVING, of those rules whose threshold lies within the extremes of the changed groups (`settle`, `lookers`, `member`) |
//! | a rule finds others, or the same with other values | its projection, for the groups that it finds |

mod accumulate;
mod arrived;
mod batch;
mod budget;
mod by_series;
mod cells;
mod classify;
mod distinct;
mod explain;
mod grouping;
mod groups;
mod incoming;
mod inline;
mod intake;
mod kept;
mod keys;
mod leaving;
mod line;
mod lookers;
mod member;
mod obstacle;
mod panes;
mod ranges;
mod settle;
mod shape;
#[cfg(test)]
mod sharing_tests;
mod sketch;
mod sliding;
mod slots;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod texts;
mod values;
mod views;
mod way;

pub use explain::{Explanation, Groups, explain};
pub use incoming::Incoming;
pub(crate) use kept::{Found, Place};
pub use kept::{Incremental, Shared};
pub use obstacle::Obstacle;
pub use table::TableSize;
pub use way::Way;
