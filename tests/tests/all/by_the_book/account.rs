//! What a sender counted, and whether the ledger says the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::Server;

/// Counts by reason.
pub(super) type Reasons = BTreeMap<&'static str, u64>;

/// What became of points, as their sender knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) stored: u64,
    /// Those of the stored that are not quite as they were sent.
    pub(super) stored_as: Reasons,
    pub(super) rejected: Reasons,
    pub(super) dropped: Reasons,
}

impl Tally {
    /// All of them stored.
    pub(super) fn stored(points: u64) -> Self {
        Self { stored: points, ..Self::default() }
    }

    /// A request that was refused whole: it counts as one.
    pub(super) fn refused(reason: &'static str) -> Self {
        Self { rejected: [(reason, 1)].into(), ..Self::default() }
    }

    /// The same, and some refused.
    pub(super) fn and_rejected(mut self, reason: &'static str, points: u64) -> Self {
        if points > 0 {
            self.rejected.insert(reason, points);
        }
        self
    }

    /// The same sent once more: what is stored is stored already.
    pub(super) fn again(&self) -> Self {
        let dropped = (self.stored > 0).then_some(("duplicate", self.stored)).into_iter().collect();
        Self { stored: 0, stored_as: Reasons::new(), rejected: self.rejected.clone(), dropped }
    }

    fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        for (into, from) in [
            (&mut self.stored_as, &other.stored_as),
            (&mut self.rejected, &other.rejected),
            (&mut self.dropped, &other.dropped),
        ] {
            for (reason, points) in from {
                *into.entry(reason).or_default() += points;
            }
        }
    }

    fn totals(&self) -> [u64; 3] {
        [self.stored, self.rejected.values().sum(), self.dropped.values().sum()]
    }
}

/// Everything that was sent to one server, by receiver and signal.
#[derive(Debug, Default)]
pub(super) struct Account(BTreeMap<(&'static str, &'static str), Tally>);

impl Account {
    /// Adds what became of one request.
    pub(super) fn add(&mut self, (receiver, signal): (&'static str, &'static str), tally: &Tally) {
        if *tally != Tally::default() || self.0.contains_key(&(receiver, signal)) {
            self.0.entry((receiver, signal)).or_default().add(tally);
        }
    }

    /// Points, records or spans stored of a signal.
    pub(super) fn stored(&self, signal: &str) -> u64 {
        self.0.iter().filter(|((_, of), _)| *of == signal).map(|(_, tally)| tally.stored).sum()
    }

    /// The ledger must say the same, to the point.
    #[track_caller]
    pub(super) fn check(&self, server: &Server, what: &str) {
        assert_eq!(ledger(server), self.document(), "{what}: the ledger, and what was counted here");
    }

    /// What the ledger should say.
    pub(super) fn document(&self) -> Value {
        let mut sums = [0; 3];
        let source = |((receiver, signal), tally): (&(&str, &str), &Tally)| {
            let totals = tally.totals();
            let Tally { stored, stored_as, rejected, dropped } = tally;
            sums = std::array::from_fn(|place| sums[place] + totals[place]);
            json!({
                "source": format!("{receiver}/127.0.0.1"), "signal": signal, "received": totals.iter().sum::<u64>(),
                "stored": stored, "stored_as": stored_as, "rejected": rejected, "dropped": dropped, "balanced": true,
            })
        };
        let sources: Vec<_> = self.0.iter().map(source).collect();
        let [stored, rejected, dropped] = sums;
        json!({
            "balanced": true, "received": stored + rejected + dropped, "stored": stored, "rejected": rejected,
            "dropped": dropped, "sources": sources,
        })
    }
}

/// The ledger as it is now, without times and without those down the line; ordered by source and signal.
#[track_caller]
pub(super) fn ledger(server: &Server) -> Value {
    let mut document = server.flyball.http.get("/api/v1/ledger").expect_status(200).json();
    let fields = document.as_object_mut().expect("an object");
    for store in ["stores", "backends"] {
        assert_eq!(fields.remove(store), Some(json!([])));
    }
    let sources = fields["sources"].as_array_mut().expect("an array");
    // Accounts of nothing: requests without points were there.
    sources.retain(|source| source["received"] != 0);
    for source in &mut *sources {
        source.as_object_mut().expect("an object").remove("last_at").expect("when it was last heard of");
    }
    sources.sort_by_key(|source| (source["source"].to_string(), source["signal"].to_string()));
    document
}
