//! What a restart brought back, against the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_model::ledger::{Balance, Ledger};
use flyball_model::state::{Section, State};

use super::bodies::Parts;
use super::reference::{Fate, KEYS, Reference, What};
use super::system::System;
use crate::{Damage, Position};

/// What a restart brought back.
pub(super) struct Back {
    /// Where each body stands, and what is in it, as they came.
    pub(super) bodies: Vec<(Position, Parts)>,
    pub(super) totals: Vec<Vec<u8>>,
    pub(super) damages: Vec<Damage>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) state: State,
    pub(super) end: Position,
}

impl Back {
    /// Fails where it is not what the model says, and lets the system learn what the model could not know.
    pub(super) fn check(self, system: &mut System, reference: &Reference, was_power_cut: bool) {
        if reference.is_loose && was_power_cut {
            // What was only with the operating system may be gone, also what was there after a restart before.
            system.seen.clear();
            system.end = Position::default();
        }
        self.check_order(system, reference);
        self.check_bodies(system, reference);
        if !reference.is_loose {
            assert_eq!(self.damages, [], "what was durable is damaged");
            assert!(self.end >= system.end, "the log ended at {}, and ends at {} now", system.end, self.end);
            self.check_ledger(system, reference);
        }
        for key in 0..KEYS {
            let found = self.state.clone().take(Section::Limits).remove(&key.to_string());
            let found = found.map(|value| String::from_utf8_lossy(&value).parse().expect("a number was put"));
            assert!(reference.may_stand(key).contains(&found) || reference.is_loose, "key {key} is {found:?}");
        }
        let totals = self.totals.iter().map(|number| u64::from_le_bytes(number[..].try_into().expect("eight bytes")));
        let totals: Vec<_> = totals.collect();
        assert!(
            totals.len() <= 1 && (system.done..=system.tried).contains(&totals.first().copied().unwrap_or(0)),
            "{totals:?}"
        );
    }

    /// Once each, in the order in which they were submitted, with equal bytes, where they stood before, and nothing that nobody needs.
    fn check_order(&self, system: &System, reference: &Reference) {
        let places = self.places();
        assert!(places.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{places:?}");
        for (position, parts) in &self.bodies {
            let number = parts.number();
            let What::Body(spec) = &reference.records[number].what else { panic!("{number} is no body") };
            parts.must_equal(&spec.parts(number));
            assert!(*position >= system.begun_at[&number], "{number} stands before where it began");
            assert!(*position >= system.needed, "{number} was let go by a checkpoint, and is there");
            assert!(system.seen.get(&number).is_none_or(|before| before == position), "{number} has moved");
        }
    }

    /// Those that must be there are there, and those that can't be are not.
    fn check_bodies(&self, system: &mut System, reference: &Reference) {
        let found: BTreeMap<_, _> = self.places().into_iter().collect();
        for (number, record) in reference.records.iter().enumerate() {
            let What::Body(_) = record.what else { continue };
            let is_there = found.contains_key(&number);
            let can_be = record.fate != Fate::Lost && !system.gone.contains(&number);
            assert!(can_be || !is_there, "{number} came back, and it can't");
            if number < reference.released {
                continue;
            }
            let was_told = system.answers.get(&number) == Some(&true) && !reference.is_loose;
            let must_be = record.fate == Fate::Durable || system.seen.contains_key(&number) || was_told;
            assert!(is_there || !must_be, "{number} is lost");
            match found.get(&number) {
                Some(position) => drop(system.seen.insert(number, *position)),
                None => drop(system.gone.insert(number)),
            }
        }
    }

    /// The ledger has exactly what is there, and what was refused.
    fn check_ledger(&self, system: &System, reference: &Reference) {
        let balances = self.ledger.balances();
        assert!(balances.iter().all(Balance::is_even), "{balances:?}");
        let (mut stored, mut refused, mut refused_most) = (0, 0, 0);
        for (number, record) in reference.records.iter().enumerate() {
            let is_durable = record.fate == Fate::Durable;
            match &record.what {
                What::Body(spec) if is_durable || system.seen.contains_key(&number) => stored += spec.stored(),
                What::Body(_) => {}
                What::Refusal { .. } => {
                    refused += u64::from(is_durable);
                    refused_most += u64::from(is_durable || record.fate == Fate::Either);
                }
            }
        }
        let posted =
            balances.iter().fold([0; 3], |sum, balance| std::array::from_fn(|at| sum[at] + balance.outcomes[at]));
        assert_eq!(posted[0], stored, "stored");
        assert!((refused..=refused_most).contains(&posted[1]), "{} rejected of {refused} to {refused_most}", posted[1]);
    }

    /// Number and place of each body.
    fn places(&self) -> Vec<(usize, Position)> {
        self.bodies.iter().map(|(position, parts)| (parts.number(), *position)).collect()
    }
}
