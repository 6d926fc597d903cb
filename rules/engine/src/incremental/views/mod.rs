//! Rules over a join with tables of the twin, `JOIN twin.node n ON n.id = m.host`, or with `VALUES`.
//!
//! Their table of groups knows nothing of the join. It groups by what rows are looked up by, and by the labels that the rule asks for, so
//! that the rows of a group of it are the same for all its points. A *view* looks them up and says which of these groups belong together, by
//! what the rule groups by; the numbers of those are put together when one of them has changed. So a change of the twin reads no point again:
//! it moves groups of the table from one group of the view to another. Rules that look up the same and group alike share a view.
//!
//! | when | what is evaluated |
//! |---|---|
//! | the twin has changed | the columns that are looked up (`mirror`), which rows there are (`lookup`) |
//! | one of these has changed | what is looked up, predicates on it and keys, for the groups of the table that looked the row up (`view`) |
//! | a group of the table is met | the same for this group |
//! | a group of the table has changed | the group of the view that it belongs to, like one of a table (`settle`) |

mod lookup;
mod mirror;
mod settle;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
mod view;

pub(super) use mirror::Mirrors;
pub(super) use view::View;
