//! Violations that are told once, whatever happens meanwhile.
//!
//! The rule fires as long as the sum of all points of a place is positive. A point of 1 raises it, a point of -1 lowers it: if one were
//! lost or stored twice, an alarm would never be raised or never be lowered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::account::Ledger;
use super::courier::{Courier, Outcome};
use super::{Chance, Hook, Kind};
use crate::Http;
use crate::http::block_on;
use crate::remote_write;
use crate::time::{now_nanos, wait_until};

const RULES: &str = r"
groups:
- name: alarms
  every: 200ms
  rules:
  - rule: Alarm
    sql: |
      SELECT place, sum(value) AS raised FROM meter_alarm
      WHERE time > now() - INTERVAL '12 hours' GROUP BY place HAVING sum(value) > 0
    no_data: keep
    remediate:
    - {backend: ops, action: notify}
";

/// How long an alarm may take to be told, restarts included.
const TOLD: Duration = Duration::from_secs(60);

/// Places with alarms, and who is told of them.
#[derive(Debug)]
pub struct Alarms {
    hook: Hook,
    courier: Courier,
    raised: BTreeMap<u64, Place>,
    points: u64,
    unknown: u64,
    refused: u64,
}

#[derive(Debug, Default)]
struct Place {
    is_raised: bool,
    /// How often it was raised and lowered.
    changes: u64,
}

impl Alarms {
    /// Starts who is told, and writes the rule into a folder. The configuration names both.
    ///
    /// # Panics
    /// When the folder can't be written.
    #[track_caller]
    pub fn start(dir: &Path) -> (Hook, Value) {
        let hook = Hook::start();
        let rules: PathBuf = dir.join("alarms.yaml");
        std::fs::write(&rules, RULES).expect("the folder can be written");
        let backend = json!({"kind": "webhook", "url": hook.url, "events": ["firing", "resolved"]});
        (hook, json!({"rules": [rules], "backends": {"ops": backend}}))
    }

    /// Alarms that a server hears of.
    pub fn new(hook: Hook, http: &Http) -> Self {
        let courier = Courier::new(http, Kind::RemoteWrite);
        Self { hook, courier, raised: BTreeMap::new(), points: 0, unknown: 0, refused: 0 }
    }

    /// Raises or lowers one of the places 1 to 3, if what it was told last has been heard of. Place 0 is never touched.
    ///
    /// # Panics
    /// When the server takes no point.
    #[track_caller]
    pub fn disturb(&mut self, chance: &mut Chance) {
        let place = 1 + chance.below(3);
        if self.is_told(place).is_ok() {
            self.change(place);
        }
    }

    /// Raises a place that is not, lowers one that is.
    ///
    /// # Panics
    /// When the server takes no point.
    #[track_caller]
    pub fn change(&mut self, place: u64) {
        let state = self.raised.entry(place).or_default();
        state.is_raised = !state.is_raised;
        state.changes += 1;
        let value = if state.is_raised { 1.0 } else { -1.0 };
        let millis = i64::try_from(now_nanos() / 1_000_000).expect("milliseconds of this age");
        let labels = [("__name__", "meter_alarm"), ("place", &format!("p{place}"))];
        let timeseries = vec![remote_write::series(&labels, millis, value)];
        let body = remote_write::body(timeseries);
        self.points += 1;
        wait_until("a point of an alarm to be taken", TOLD, || match block_on(self.courier.deliver(body.clone())) {
            Outcome::Acked => Ok(()),
            other => {
                self.unknown += u64::from(other == Outcome::Unknown);
                self.refused += u64::from(matches!(other, Outcome::Refused { .. }));
                Err(format!("{other:?}"))
            }
        });
    }

    /// Lowers everything that is raised and waits until all has been told.
    ///
    /// # Panics
    /// When it is not told in time.
    #[track_caller]
    pub fn end(&mut self) {
        let raised: Vec<_> = self.raised.iter().filter(|(_, state)| state.is_raised).map(|(&place, _)| place).collect();
        for &place in &raised {
            wait_until("an alarm to be told", TOLD, || self.is_told(place));
            self.change(place);
        }
        for &place in self.raised.keys() {
            wait_until("the end of an alarm to be told", TOLD, || self.is_told(place));
        }
    }

    /// Whether a place's last change has been told.
    fn is_told(&self, place: u64) -> Result<(), String> {
        let Some(state) = self.raised.get(&place) else { return Ok(()) };
        let told = self.told(place);
        if told.len() as u64 >= state.changes {
            Ok(())
        } else {
            Err(format!("{} changes, told {told:?}", state.changes))
        }
    }

    /// What was told of a place, each event once: firing, resolved, firing, ….
    fn told(&self, place: u64) -> Vec<String> {
        let subject = format!("Alarm/place=p{place}");
        self.hook.events().into_iter().filter(|told| told.subject == subject).map(|told| told.kind).collect()
    }

    /// What was not told as it happened.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (&place, state) in &self.raised {
            let expected: Vec<_> = (0..state.changes)
                .map(|change| if change % 2 == 0 { "violation.firing" } else { "violation.resolved" })
                .collect();
            let told = self.told(place);
            if told != expected {
                let events: Vec<_> =
                    self.hook.told().into_iter().filter(|t| t.subject.ends_with(&format!("p{place}"))).collect();
                problems.push(format!("place {place} changed {} times, told was {told:?}: {events:?}", state.changes));
            }
        }
        for kind in ["violation.firing", "violation.resolved"] {
            let twice = self.hook.ids(kind).into_iter().filter(|(_, ids)| ids.len() > 1);
            problems.extend(twice.map(|(violation, ids)| format!("{kind} of {violation:?} was told under {ids:?}")));
        }
        problems
    }

    /// Adds its points to the books.
    pub fn add_to(&self, ledger: &mut Ledger) {
        let sent = ledger.entry((Kind::RemoteWrite.receiver(), Kind::RemoteWrite.signal())).or_default();
        sent.points += self.points;
        sent.unclear += self.unknown + self.refused;
        sent.refused += self.refused;
    }

    /// Changes so far, and deliveries that repeated an event.
    pub fn counts(&self) -> (u64, usize) {
        let changes = self.raised.values().map(|state| state.changes).sum();
        (changes, self.hook.told().len() - self.hook.events().len())
    }
}
