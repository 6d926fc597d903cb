//! The tables behind the twin. All label work is done once a series; a point costs a look-up and two stores.
//!
//! | word | what it is |
//! |---|---|
//! | slot | per series number: its facet and its cell |
//! | cell | the two newest points of a series that some attribute needs |
//! | claim | what one label set says of one entity: labels and parents |
//! | facet | the claims that a series makes, shared by all series that make the same; it keeps when they were made |
//!
//! A node has thousands of series and a handful of facets, so an entity's labels are found from few places.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_model::batch::is_stale;
use flyball_model::series::LabelView;
use flyball_model::{MetricRef, PointBatch, SeriesRef, UnixNanos};
use hashbrown::{HashMap, HashSet};

use crate::attribute::{Member, Source};
use crate::cell::Cell;
use crate::keep::Entry;
use crate::kind::EntityKind;
use crate::mapping::{Formula, Mapping, attribute_name};

/// Entities of one kind beyond this many are refused and counted. A Kubernetes cluster may have 150,000 pods at most, and
/// few have a tenth; a full kind costs about 100 MB.
pub const ENTITIES_MAX: usize = 100_000;

/// Attributes of one entity beyond this many are refused and counted: names can be made from labels.
pub const ATTRIBUTES_MAX: usize = 256;

/// No facet, or no cell.
const NONE: u32 = u32::MAX;
/// The series was not looked at yet.
const NEW: u32 = u32::MAX - 1;

#[derive(Debug, Clone, Copy)]
struct Slot {
    facet: u32,
    cell: u32,
}

type Pairs = Box<[(Arc<str>, Arc<str>)]>;

/// What a label set says of an entity.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Claim {
    pub(crate) labels: Pairs,
    pub(crate) parents: Pairs,
}

#[derive(Debug)]
pub(crate) struct Facet {
    /// [`i64::MAX`] before the first point.
    pub(crate) first: i64,
    /// [`i64::MIN`] before the first point.
    pub(crate) last: i64,
}

/// One entity: who says what of it, and its attributes.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) id: Arc<str>,
    /// Claims, each with the facets that make it.
    pub(crate) claims: Vec<(Arc<Claim>, Vec<u32>)>,
    pub(crate) attributes: BTreeMap<Arc<str>, Vec<Source>>,
}

/// The rules that look at one metric's series, by their places in the mapping.
#[derive(Debug, Default)]
struct MetricRules {
    entities: Vec<u32>,
    attributes: Vec<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    metrics: HashMap<MetricRef, MetricRules>,
    slots: Vec<Slot>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) facets: Vec<Facet>,
    facet_of: HashMap<Vec<(u32, Arc<Claim>)>, u32>,
    claims: HashSet<Arc<Claim>>,
    pub(crate) entities: Vec<Entity>,
    pub(crate) by_id: [BTreeMap<Arc<str>, u32>; EntityKind::ALL.len()],
    pub(crate) entities_refused: u64,
    pub(crate) attributes_refused: u64,
}

/// What a series says of the entity of one kind.
struct Named {
    kind: EntityKind,
    id: String,
    labels: BTreeMap<Arc<str>, Arc<str>>,
    parents: BTreeMap<Arc<str>, Arc<str>>,
}

impl State {
    /// Takes a batch in, but for the points of series that are met for the first time and whose labels `view` does not have: those series
    /// are added to `missed`. Returns whether any point speaks of an entity.
    pub(crate) fn observe(
        &mut self,
        mapping: &Mapping,
        view: &LabelView<'_>,
        points: &PointBatch,
        missed: &mut Vec<SeriesRef>,
    ) -> bool {
        self.slots.resize(view.series_count().max(self.slots.len()), Slot { facet: NEW, cell: NONE });
        let mut changed = false;
        for ((&series, &time), &value) in points.series().iter().zip(points.times()).zip(points.values()) {
            let mut slot = self.slots[series as usize];
            if slot.facet == NEW {
                if !view.has(SeriesRef(series)) {
                    missed.push(SeriesRef(series));
                    continue;
                }
                slot = self.slot(mapping, view, SeriesRef(series));
            }
            if slot.facet == NONE {
                continue;
            }
            changed = true;
            if slot.cell != NONE {
                self.cells[slot.cell as usize].put(time, value);
            }
            // The end of a series is no sign of life.
            if !is_stale(value) {
                let facet = &mut self.facets[slot.facet as usize];
                facet.first = facet.first.min(time);
                facet.last = facet.last.max(time);
            }
        }
        changed
    }

    /// How many series were looked at.
    pub(crate) fn series(&self) -> usize {
        self.slots.len()
    }

    /// What is to be kept of a series; `None` where it speaks of nothing.
    pub(crate) fn entry(&self, series: u32) -> Option<Entry> {
        let slot = self.slots.get(series as usize).filter(|slot| slot.facet != NONE && slot.facet != NEW)?;
        let Facet { first, last } = self.facets[slot.facet as usize];
        let cell = if slot.cell == NONE { Cell::EMPTY } else { self.cells[slot.cell as usize] };
        Some(Entry { series, first, last, cell })
    }

    /// Takes back what was kept of a series.
    pub(crate) fn take_back(&mut self, mapping: &Mapping, view: &LabelView<'_>, entry: &Entry) {
        let slot = self.slot(mapping, view, entry.series());
        if slot.facet == NONE {
            return;
        }
        if slot.cell != NONE {
            self.cells[slot.cell as usize].merge(&entry.cell);
        }
        let facet = &mut self.facets[slot.facet as usize];
        facet.first = facet.first.min(entry.first);
        facet.last = facet.last.max(entry.last);
    }

    /// The slot of a series, which is looked at if it is new.
    fn slot(&mut self, mapping: &Mapping, view: &LabelView<'_>, series: SeriesRef) -> Slot {
        self.slots.resize(view.series_count().max(self.slots.len()), Slot { facet: NEW, cell: NONE });
        let slot = self.slots[series.0 as usize];
        if slot.facet != NEW {
            return slot;
        }
        let slot = self.meet(mapping, view, series);
        self.slots[series.0 as usize] = slot;
        slot
    }

    /// The label-only work for a new series.
    fn meet(&mut self, mapping: &Mapping, view: &LabelView<'_>, series: SeriesRef) -> Slot {
        let metric = view.metric_of(series);
        let named = {
            let rules =
                self.metrics.entry(metric).or_insert_with(|| MetricRules::new(mapping, view.metric_name(metric)));
            name_entities(mapping, rules, view, series)
        };
        let mut made: Vec<(u32, Arc<Claim>)> = Vec::with_capacity(named.len());
        let mut kinds = Vec::with_capacity(named.len());
        for named in named {
            if let Some(entity) = self.entity(named.kind, &named.id) {
                let claim = self.claim(Claim { labels: pairs(named.labels), parents: pairs(named.parents) });
                kinds.push((named.kind, entity));
                made.push((entity, claim));
            }
        }
        if made.is_empty() {
            return Slot { facet: NONE, cell: NONE };
        }
        let facet = self.facet(made);
        Slot { facet, cell: self.attributes(mapping, view, series, &kinds) }
    }

    fn claim(&mut self, claim: Claim) -> Arc<Claim> {
        if let Some(known) = self.claims.get(&claim) {
            return Arc::clone(known);
        }
        let claim = Arc::new(claim);
        self.claims.insert(Arc::clone(&claim));
        claim
    }

    fn facet(&mut self, made: Vec<(u32, Arc<Claim>)>) -> u32 {
        if let Some(&facet) = self.facet_of.get(&made) {
            return facet;
        }
        let facet = self.facets.len() as u32;
        self.facets.push(Facet { first: i64::MAX, last: i64::MIN });
        for (entity, claim) in &made {
            let claims = &mut self.entities[*entity as usize].claims;
            match claims.iter_mut().find(|(known, _)| Arc::ptr_eq(known, claim)) {
                Some((_, facets)) => facets.push(facet),
                None => claims.push((Arc::clone(claim), vec![facet])),
            }
        }
        self.facet_of.insert(made, facet);
        facet
    }

    fn entity(&mut self, kind: EntityKind, id: &str) -> Option<u32> {
        let by_id = &mut self.by_id[kind as usize];
        if let Some(&entity) = by_id.get(id) {
            return Some(entity);
        }
        if by_id.len() >= ENTITIES_MAX {
            self.entities_refused += 1;
            return None;
        }
        let entity = self.entities.len() as u32;
        let id: Arc<str> = id.into();
        by_id.insert(Arc::clone(&id), entity);
        self.entities.push(Entity { id, claims: Vec::new(), attributes: BTreeMap::new() });
        Some(entity)
    }

    /// Enters the series under the attributes that it gives. Returns its cell.
    fn attributes(
        &mut self,
        mapping: &Mapping,
        view: &LabelView<'_>,
        series: SeriesRef,
        kinds: &[(EntityKind, u32)],
    ) -> u32 {
        let metric = view.metric_of(series);
        let mut cell = NONE;
        for &number in &self.metrics[&metric].attributes {
            let rule = &mapping.attributes[number as usize];
            let Some(&(_, entity)) = kinds.iter().find(|(kind, _)| *kind == rule.kind) else { continue };
            let Some(labels) = rule.filter.series(view, series) else { continue };
            let Some(name) = rule.name.render(labels) else { continue };
            let word = match &rule.formula {
                Formula::Word(label) => match view.label(series, label) {
                    Some(word) => Some(Arc::clone(word)),
                    None => continue,
                },
                Formula::Number(_) | Formula::Words(_) => None,
            };
            let attributes = &mut self.entities[entity as usize].attributes;
            let known = attributes.get(name.as_str());
            let fits = match known.and_then(|sources| sources.first()) {
                // A field of a snapshot keeps one type for ever.
                Some(first) => mapping.attributes[first.rule as usize].formula.is_number() == rule.formula.is_number(),
                None => attributes.len() < ATTRIBUTES_MAX && attribute_name(rule.kind, &name).is_ok(),
            };
            if !fits {
                self.attributes_refused += 1;
                continue;
            }
            if cell == NONE {
                cell = self.cells.len() as u32;
                self.cells.push(Cell::EMPTY);
            }
            let sources = attributes.entry(name.into()).or_default();
            let place = sources.binary_search_by_key(&number, |source| source.rule).unwrap_or_else(|place| {
                let unit = rule.unit.as_deref().unwrap_or(&view.info(metric).unit).into();
                sources.insert(place, Source { rule: number, unit, members: Vec::new() });
                place
            });
            sources[place].members.push(Member { cell, word });
        }
        cell
    }

    /// When an entity was first and last seen; `None` while only ends of series were.
    pub(crate) fn seen(&self, entity: &Entity) -> Option<(UnixNanos, UnixNanos)> {
        let facets = entity.claims.iter().flat_map(|(_, facets)| facets).map(|&facet| &self.facets[facet as usize]);
        let (first, last) =
            facets.fold((i64::MAX, i64::MIN), |(first, last), facet| (first.min(facet.first), last.max(facet.last)));
        (last != i64::MIN).then_some((UnixNanos(first), UnixNanos(last)))
    }
}

impl MetricRules {
    fn new(mapping: &Mapping, metric: &str) -> Self {
        let numbers = |matches: &mut dyn Iterator<Item = bool>| {
            matches.zip(0..).filter(|(matches, _)| *matches).map(|(_, number)| number).collect()
        };
        Self {
            entities: numbers(&mut mapping.entities.iter().map(|rule| rule.filter.metric(metric))),
            attributes: numbers(&mut mapping.attributes.iter().map(|rule| rule.filter.metric(metric))),
        }
    }
}

/// The entities that a series speaks of, at most one a kind, with what all rules say of them together.
fn name_entities(mapping: &Mapping, rules: &MetricRules, view: &LabelView<'_>, series: SeriesRef) -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    for &number in &rules.entities {
        let rule = &mapping.entities[number as usize];
        let Some(labels) = rule.filter.series(view, series) else { continue };
        let Some(id) = rule.id.render(labels) else { continue };
        let place = all.iter().position(|named| named.kind == rule.kind).unwrap_or_else(|| {
            all.push(Named { kind: rule.kind, id: id.clone(), labels: BTreeMap::new(), parents: BTreeMap::new() });
            all.len() - 1
        });
        let named = &mut all[place];
        if named.id != id {
            continue;
        }
        for (name, parent) in &rule.parents {
            if !named.parents.contains_key(name.as_str())
                && let Some(parent) = parent.render(labels)
            {
                named.parents.insert(name.as_str().into(), parent.into());
            }
        }
        for &(name, value) in view.label_symbols(series) {
            let name = view.text(name);
            if rule.carries(name) {
                named.labels.insert(Arc::clone(name), Arc::clone(view.text(value)));
            }
        }
    }
    all
}

fn pairs(map: BTreeMap<Arc<str>, Arc<str>>) -> Pairs {
    map.into_iter().collect()
}
