//! An entity as it is now, put together from who says what of it.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;

use crate::attribute::{Current, current};
use crate::kind::EntityKind;
use crate::mapping::Mapping;
use crate::state::{Claim, Entity, State};

/// One entity, ready to be written down in any form. All maps are sorted by name.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    pub(crate) id: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) parents: BTreeMap<&'a str, &'a str>,
    pub(crate) attributes: BTreeMap<&'a str, Current<'a>>,
    pub(crate) first_seen_at: UnixNanos,
    pub(crate) updated_at: UnixNanos,
}

/// All entities of a kind, sorted by id.
pub(crate) fn pictures<'a>(
    state: &'a State,
    mapping: &'a Mapping,
    kind: EntityKind,
) -> impl Iterator<Item = Picture<'a>> {
    state.by_id[kind as usize]
        .values()
        .filter_map(move |&entity| picture(state, mapping, &state.entities[entity as usize]))
}

/// One entity; `None` while nothing but ends of its series came.
pub(crate) fn picture<'a>(state: &'a State, mapping: &'a Mapping, entity: &'a Entity) -> Option<Picture<'a>> {
    let (first_seen_at, updated_at) = state.seen(entity)?;
    let mut claims: Vec<(i64, &Claim)> = entity
        .claims
        .iter()
        .filter_map(|(claim, facets)| {
            let last = facets.iter().map(|&facet| state.facets[facet as usize].last).max()?;
            (last != i64::MIN).then_some((last, claim.as_ref()))
        })
        .collect();
    // The latest word wins; at equal times the order of the words decides, never the order of arrival.
    claims.sort_unstable();
    let (mut labels, mut parents) = (BTreeMap::new(), BTreeMap::new());
    for (_, claim) in claims {
        labels.extend(claim.labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        parents.extend(claim.parents.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    }
    let attributes = entity
        .attributes
        .iter()
        .filter_map(|(name, sources)| Some((name.as_ref(), current(sources, &mapping.attributes, &state.cells)?)))
        .collect();
    Some(Picture { id: &entity.id, labels, parents, attributes, first_seen_at, updated_at })
}
