//! Rule files: from YAML to rules whose every part knows where it stands in its file.
//!
//! `flyball_yaml` turns the text into a tree in which each node knows its place; `read` walks the tree and notes what is wrong
//! instead of stopping at it.

mod flaps;
mod humanize;
mod load;
mod read;
mod record;
mod rule;
mod slo;
mod step;
mod template;
mod unless;
mod version;

#[cfg(test)]
mod tests;

pub use flaps::{FLAPS_MAX, Flaps};
pub use flyball_yaml::{Level, Place, Problem, Source, Text, format_duration, in_order, parse_duration};
pub use load::{
    FILE_BYTES_MAX, FILES_MAX, RULES_MAX, duplicates, from_str, from_str_with_problems, load, load_with_problems,
};
pub use read::TEST_KEYS;
pub use record::{Record, VALUE_COLUMN};
pub use rule::{Amount, Group, NoData, NoDataPolicy, Rule, RuleFile, RuleSet, Step};
pub(crate) use slo::SLO_EVENTS;
pub use slo::{BURN_COLUMNS, BURNS, Burn, Slo};
pub(crate) use template::BUILT_IN;
pub use template::{Context, Template, TemplateError};
pub use unless::{Unless, dependencies};
