//! `flaps`: when an instance that fires and resolves over and over counts as flapping.

use std::time::Duration;

use flyball_yaml::{Node, Reader};

const KEYS: [&str; 2] = ["max", "within"];

/// The largest `max`: the times of that many changes are kept for every instance.
pub const FLAPS_MAX: u32 = 100;

/// An instance that changes between firing and resolved more than `max` times `within` a duration stays firing until it was calm for as
/// long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaps {
    /// The most changes that are told one by one, from 1 to [`FLAPS_MAX`].
    pub max: u32,
    /// The time that is looked back on, and for which it must be calm afterwards.
    pub within: Duration,
}

pub(super) fn read_flaps(reader: &mut Reader, node: &Node) -> Option<Flaps> {
    let fields = reader.fields(node, "'flaps'", &KEYS)?;
    reader.require(fields, "max");
    reader.require(fields, "within");
    let max = reader.whole(fields, "max", 1)?;
    if max > FLAPS_MAX
        && let Some(node) = fields.get("max")
    {
        reader.error(
            node,
            format!("'max' is at most {FLAPS_MAX}: the times of so many changes are kept for each instance"),
        );
        return None;
    }
    let (node, within) = (fields.get("within")?, reader.duration(fields, "within", Duration::MAX));
    if within.is_zero() {
        reader.error_with_hint(node, "'within' is longer than nothing", "write within: 10m");
        return None;
    }
    Some(Flaps { max, within }).filter(|flaps| flaps.within != Duration::MAX)
}
