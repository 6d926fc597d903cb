//! An entity as it is now, put together from who says what of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_model::UnixNanos;

use crate::attribute::{Current, Source, current};
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

/// What of an entity somebody wants to see; the rest stays empty.
#[derive(Debug)]
pub(crate) struct Wanted<'w> {
    /// Labels and parents.
    pub(crate) claims: bool,
    pub(crate) attributes: Attributes<'w>,
}

/// Of which attributes.
#[derive(Debug)]
pub(crate) enum Attributes<'w> {
    All,
    Some(Vec<&'w str>),
}

const ALL: Wanted<'static> = Wanted { claims: true, attributes: Attributes::All };

/// All entities of a kind, sorted by id.
pub(crate) fn pictures<'a>(
    state: &'a State,
    mapping: &'a Mapping,
    kind: EntityKind,
) -> impl Iterator<Item = Picture<'a>> {
    pictures_with(state, mapping, kind, &ALL)
}

/// The same as far as it is wanted.
pub(crate) fn pictures_with<'a>(
    state: &'a State,
    mapping: &'a Mapping,
    kind: EntityKind,
    wanted: &Wanted<'_>,
) -> impl Iterator<Item = Picture<'a>> {
    let entities = state.by_id[kind as usize].values().map(|&entity| &state.entities[entity as usize]);
    entities.filter_map(move |entity| picture_with(state, mapping, entity, wanted))
}

/// One entity; `None` while nothing but ends of its series came.
pub(crate) fn picture<'a>(state: &'a State, mapping: &'a Mapping, entity: &'a Entity) -> Option<Picture<'a>> {
    picture_with(state, mapping, entity, &ALL)
}

fn picture_with<'a>(
    state: &'a State,
    mapping: &'a Mapping,
    entity: &'a Entity,
    wanted: &Wanted<'_>,
) -> Option<Picture<'a>> {
    let (first_seen_at, updated_at) = state.seen(entity)?;
    let (labels, parents) = if wanted.claims { said_of(state, entity) } else { Default::default() };
    let now = |(name, sources): (&'a Arc<str>, &'a Vec<Source>)| {
        Some((name.as_ref(), current(sources, &mapping.attributes, &state.cells)?))
    };
    let attributes = match &wanted.attributes {
        Attributes::All => entity.attributes.iter().filter_map(now).collect(),
        Attributes::Some(names) => {
            names.iter().filter_map(|name| entity.attributes.get_key_value(*name)).filter_map(now).collect()
        }
    };
    Some(Picture { id: &entity.id, labels, parents, attributes, first_seen_at, updated_at })
}

type Words<'a> = BTreeMap<&'a str, &'a str>;

/// The labels and the parents of an entity.
fn said_of<'a>(state: &State, entity: &'a Entity) -> (Words<'a>, Words<'a>) {
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
    (labels, parents)
}
