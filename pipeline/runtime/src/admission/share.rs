//! What each sender and each of its connections got lately, for the time when there is too much to do. A sender is not an address where a
//! host can have as many of those as it likes: see [`Sender`].
//!
//! Then a body is refused before it is read if its connection had its fair part already. Each connection has a virtual clock (L. Zhang,
//! SIGCOMM 1990): a body moves it on by the time that it takes at the connection's part of this machine. While the clock is ahead of the
//! real one, the connection had more than that; the difference is the hint when to come again.
//!
//! A clock starts with its connection, so that many fresh ones would all be let in at once. Therefore it is also known what each connection
//! was let in with that has not arrived yet; who stalls on the way, or goes away, is forgotten within some seconds.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::admission::Sender;
use hashbrown::HashMap;

/// A connection that says nothing for this long does not count as one that wants a part.
const QUIET: Duration = Duration::from_secs(2);

/// A clock is never further ahead, so that nobody is kept out for longer once it is calm again.
const AHEAD_MAX: Duration = Duration::from_secs(3);

/// Connections that are looked at, over all senders; further ones are let pass here, and meet the queue's bound.
const CONNECTIONS_MAX: usize = 16_384;

/// What was let in and did not arrive loses so much of its weight in this time as a capacitor of its charge. Long against the time that
/// bodies take on a busy machine, or most of them would be overlooked; short against that of one who stalls.
const ARRIVING_DECAY: Duration = Duration::from_secs(1);

/// The parts of all senders.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    senders: HashMap<Arc<str>, Share>,
    connections: usize,
    arriving: Arriving,
    swept_at: Duration,
}

/// The part of one sender.
#[derive(Debug, Default)]
struct Share {
    connections: HashMap<u64, Clock>,
    arriving: Arriving,
}

/// Bytes that were let in and have not arrived yet.
#[derive(Debug, Clone, Copy, Default)]
struct Arriving {
    bytes: f64,
    at: Duration,
}

/// A connection's clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    seen_at: Duration,
    /// When its next body may come in while there is too much to do.
    next_at: Duration,
    /// The length of its last body; 0 before it.
    last_bytes: usize,
    /// What was let in of it and has not arrived yet,
    arriving: Arriving,
    /// and in how many bodies.
    bodies: u32,
}

impl Shares {
    /// Takes note that a connection wants to send. Returns how long it should wait to be fair to the others; zero if it is its turn.
    pub(crate) fn wants(&mut self, sender: &Sender, now: Duration) -> Duration {
        self.sweep(now);
        self.clock(sender, now).map_or(Duration::ZERO, |clock| clock.next_at.saturating_sub(now))
    }

    /// Bytes that were let in and have not arrived yet.
    pub(crate) fn arriving(&self, now: Duration) -> usize {
        self.arriving.bytes_at(now) as usize
    }

    /// Whether as much or more of what arrives is of this sender as is fair.
    pub(crate) fn has_its_part(&self, sender: &Sender, now: Duration) -> bool {
        let of_it = self.senders.get(&sender.name).map_or(0.0, |share| share.arriving.bytes_at(now));
        of_it >= 1.0 && of_it * self.senders.len() as f64 >= self.arriving.bytes_at(now)
    }

    /// Takes note that a body arrived, or was read for nothing. It goes out of the account with the weight that it still has there.
    pub(crate) fn arrived(&mut self, sender: &Sender, bytes: usize, now: Duration) {
        let Some(share) = self.senders.get_mut(&sender.name) else { return };
        let Some(clock) = share.connections.get_mut(&sender.connection) else { return };
        clock.last_bytes = bytes;
        let weight = clock.arriving.bytes_at(now) / f64::from(clock.bodies.max(1));
        clock.bodies = clock.bodies.saturating_sub(1);
        for arriving in [&mut clock.arriving, &mut share.arriving, &mut self.arriving] {
            arriving.add(-weight, now);
        }
    }

    /// The length of a connection's last body; senders are steady, so that the next one is about as long. 0 where none is known.
    pub(crate) fn last_bytes(&self, sender: &Sender) -> usize {
        let share = self.senders.get(&sender.name);
        share.and_then(|share| share.connections.get(&sender.connection)).map_or(0, |clock| clock.last_bytes)
    }

    /// Takes note that a body of `bytes` was let in that costs this machine `cost`.
    pub(crate) fn got(&mut self, sender: &Sender, bytes: usize, cost: Duration, now: Duration) {
        let senders = self.senders.len().max(1);
        let connections = self.senders.get(&sender.name).map_or(1, |share| share.connections.len().max(1));
        let part = u32::try_from(senders.saturating_mul(connections)).unwrap_or(u32::MAX);
        let Some(clock) = self.clock(sender, now) else { return };
        clock.next_at = clock.next_at.max(now).saturating_add(cost.saturating_mul(part)).min(now + AHEAD_MAX);
        if clock.arriving.bytes_at(now) < 1.0 {
            // Those that broke off are forgotten.
            clock.bodies = 0;
        }
        clock.bodies += 1;
        clock.arriving.add(bytes as f64, now);
        self.arriving.add(bytes as f64, now);
        if let Some(share) = self.senders.get_mut(&sender.name) {
            share.arriving.add(bytes as f64, now);
        }
    }

    fn clock(&mut self, sender: &Sender, now: Duration) -> Option<&mut Clock> {
        let full = self.connections >= CONNECTIONS_MAX;
        let known =
            self.senders.get(&sender.name).is_some_and(|known| known.connections.contains_key(&sender.connection));
        if !known {
            if full {
                return None;
            }
            self.connections += 1;
        }
        let share = self.senders.entry(Arc::clone(&sender.name)).or_default();
        let fresh = || Clock { seen_at: now, next_at: now, last_bytes: 0, arriving: Arriving::default(), bodies: 0 };
        let clock = share.connections.entry(sender.connection).or_insert_with(fresh);
        clock.seen_at = now;
        Some(clock)
    }

    /// Forgets who is quiet, at most once a second.
    fn sweep(&mut self, now: Duration) {
        if now < self.swept_at + Duration::from_secs(1) {
            return;
        }
        self.swept_at = now;
        self.senders.retain(|_, share| {
            share.connections.retain(|_, clock| clock.seen_at + QUIET > now || clock.next_at > now);
            !share.connections.is_empty()
        });
        self.connections = self.senders.values().map(|share| share.connections.len()).sum();
    }
}

impl Arriving {
    fn bytes_at(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.bytes * (-passed / ARRIVING_DECAY.as_secs_f64()).exp()
    }

    fn add(&mut self, bytes: f64, now: Duration) {
        self.bytes = (self.bytes_at(now) + bytes).max(0.0);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sender(name: &str, connection: u64) -> Sender {
        Sender { name: name.into(), connection }
    }

    #[test]
    fn a_connection_waits_as_long_as_its_part_takes() {
        let mut shares = Shares::default();
        let (a1, a2, b) = (sender("a", 1), sender("a", 2), sender("b", 1));
        for sender in [&a1, &a2, &b] {
            assert_eq!(shares.wants(sender, ms(0)), ms(0));
        }
        // Two senders, of which this one has two connections: a quarter of the machine.
        shares.got(&a1, 0, ms(10), ms(0));
        shares.got(&b, 0, ms(10), ms(0));
        assert_eq!(
            (shares.wants(&a1, ms(0)), shares.wants(&a2, ms(0)), shares.wants(&b, ms(5))),
            (ms(40), ms(0), ms(15))
        );
        assert_eq!(shares.wants(&a1, ms(40)), ms(0));
    }

    #[test]
    fn nobody_is_kept_out_for_long_and_who_is_quiet_is_forgotten() {
        let mut shares = Shares::default();
        let a = sender("a", 1);
        assert_eq!(shares.wants(&a, ms(0)), ms(0));
        shares.got(&a, 0, ms(60_000), ms(0));
        assert_eq!(shares.wants(&a, ms(0)), AHEAD_MAX);
        assert_eq!(shares.wants(&sender("b", 1), AHEAD_MAX + ms(10)), ms(0));
        assert_eq!((shares.senders.len(), shares.connections), (1, 1));
    }

    #[test]
    fn what_was_let_in_counts_until_it_arrives_or_is_given_up() {
        let mut shares = Shares::default();
        let (a, b) = (sender("a", 1), sender("b", 1));
        for sender in [&a, &b] {
            shares.wants(sender, ms(0));
        }
        shares.got(&a, 9_000, ms(1), ms(0));
        shares.got(&b, 1_000, ms(1), ms(0));
        assert_eq!(shares.arriving(ms(0)), 10_000);
        assert_eq!((shares.has_its_part(&a, ms(0)), shares.has_its_part(&b, ms(0))), (true, false));
        shares.arrived(&a, 9_000, ms(0));
        assert_eq!((shares.arriving(ms(0)), shares.has_its_part(&a, ms(0))), (1_000, false));
        // More than was said is no debt, and what never arrives is forgotten.
        shares.arrived(&a, 5_000, ms(0));
        shares.got(&a, 4_000, ms(1), ms(0));
        assert_eq!(shares.arriving(ms(0)), 5_000);
        assert!(shares.arriving(ms(6_000)) < 20);
    }

    #[test]
    fn a_steady_flow_counts_as_what_is_on_its_way_however_long_that_takes() {
        let mut shares = Shares::default();
        // A body every 10 ms, each 100 ms on its way, by connections in turn: ten are under way all the time.
        let connection = |number: u64| sender("a", number % 20);
        for number in 0..1_000 {
            let now = ms(number * 10);
            shares.wants(&connection(number), now);
            if let Some(arrived) = number.checked_sub(10) {
                shares.arrived(&connection(arrived), 1_000, now);
            }
            shares.got(&connection(number), 1_000, ms(1), now);
        }
        let arriving = shares.arriving(ms(10_000));
        assert!((9_000..=10_000).contains(&arriving), "{arriving}");
        for number in 990..1_000 {
            shares.arrived(&connection(number), 1_000, ms(10_000));
        }
        assert_eq!(shares.arriving(ms(10_000)), 0);
    }

    #[test]
    fn bodies_of_one_connection_at_the_same_time_are_told_apart_by_their_number() {
        let mut shares = Shares::default();
        let a = sender("a", 1);
        shares.wants(&a, ms(0));
        for _ in 0..4 {
            shares.got(&a, 1_000, ms(1), ms(0));
        }
        for left in [3_000, 2_000, 1_000, 0, 0] {
            shares.arrived(&a, 1_000, ms(0));
            assert_eq!(shares.arriving(ms(0)), left);
        }
    }

    #[test]
    fn the_memory_of_connections_is_bounded() {
        let mut shares = Shares::default();
        for connection in 0..CONNECTIONS_MAX as u64 + 100 {
            shares.wants(&sender("a", connection), ms(1));
        }
        assert_eq!(shares.connections, CONNECTIONS_MAX);
        shares.got(&sender("z", 1), 0, ms(50), ms(1));
        assert_eq!(shares.wants(&sender("z", 1), ms(1)), ms(0), "let pass");
    }
}
