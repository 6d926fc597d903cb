//! Memory for bodies under way: one budget over all receivers, shared fairly between senders.
//!
//! A body takes room from its first byte until it is answered: as it is read, when it is decompressed, and for what becomes of it. Each
//! piece is asked for before it is allocated, so that the answer to "too much" is a refusal and never an allocation that fails.
//!
//! Fair: a sender with several bodies under way may hold as much as is still free. Alone it gets half of the budget, with another one a
//! third, and there is always room for one that comes anew (the dynamic threshold of shared buffers in switches; Choudhury and Hahne,
//! IEEE/ACM Transactions on Networking 6(2), 1998). A sender's only body may take all that is free, so that the largest one passes.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::intake::{Refusal, RefusalKind};
use crate::ledger::Reason;

/// Who shares with others: all connections of one address (of IPv6: of one network of 64 bits), or of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The peer's address without its port, of IPv6 its /64, or the value of the header that `limits.tenant_header` names.
    pub name: Arc<str>,
    /// One connection of it, as a number; 0 where there is none, since flyball fetched the body itself.
    pub connection: u64,
}

/// A body may not come in now. The sender may try again, and is told when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotNow {
    /// The reason that the ledger shows.
    pub reason: Reason,
    /// The answer.
    pub refusal: Refusal,
}

/// The budget is used up, or the sender's share of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "bodies under way fill the {bytes_max} bytes set aside for them (a quarter of limits.memory); send this one again later"
)]
pub struct Crowded {
    /// The budget.
    pub bytes_max: usize,
}

/// Bytes for bodies under way.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    /// Only senders with a lease, so that their number is bounded by that of requests under way.
    senders: HashMap<Arc<str>, Share>,
}

#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    leases: usize,
}

/// A part of a [`Budget`], given back when the last clone is dropped. The default one is of no budget: for what flyball sends itself.
#[derive(Debug, Clone, Default)]
pub struct Lease(Option<Arc<Leased>>);

#[derive(Debug)]
struct Leased {
    budget: Arc<Budget>,
    sender: Sender,
    bytes: Mutex<usize>,
}

impl Budget {
    /// A budget of which nothing is taken.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, state: Mutex::default() })
    }

    /// The most that may be taken.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// What is taken.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// An empty lease for a body of `announced` bytes; 0 where it did not say.
    ///
    /// The announced bytes are not taken: announcing much and sending nothing must cost nobody anything.
    ///
    /// # Errors
    /// When there is no room for them now.
    pub fn lease(self: &Arc<Self>, sender: Sender, announced: usize) -> Result<Lease, Crowded> {
        let mut state = self.state.lock();
        let State { bytes, senders } = &mut *state;
        let share = senders.entry(Arc::clone(&sender.name)).or_default();
        share.leases += 1;
        if !share.may_take(*bytes, announced, self.bytes_max) {
            share.leases -= 1;
            if share.leases == 0 {
                senders.remove(&sender.name);
            }
            return Err(Crowded { bytes_max: self.bytes_max });
        }
        drop(state);
        Ok(Lease(Some(Arc::new(Leased { budget: Arc::clone(self), sender, bytes: Mutex::default() }))))
    }
}

impl Share {
    fn may_take(&self, taken: usize, more: usize, max: usize) -> bool {
        let free = max.saturating_sub(taken);
        let fair = self.leases <= 1 || self.bytes.saturating_add(more) <= free.saturating_sub(more);
        more <= free && (fair || more == 0)
    }
}

impl Lease {
    /// Whose it is; nobody's where it is of no budget.
    pub fn sender(&self) -> Option<&Sender> {
        self.0.as_ref().map(|leased| &leased.sender)
    }

    /// What it is of the budget.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |leased| *leased.bytes.lock())
    }

    /// Takes as much more as makes it `bytes`, before they are allocated.
    ///
    /// # Errors
    /// When there is no room; then it stays as it is.
    pub fn widen(&self, bytes: usize) -> Result<(), Crowded> {
        let Some(leased) = &self.0 else { return Ok(()) };
        let mut held = leased.bytes.lock();
        let more = bytes.saturating_sub(*held);
        leased.take(&mut held, more)
    }

    /// Gives back what is beyond `bytes`, which was freed.
    pub fn shrink_to(&self, bytes: usize) {
        let Some(leased) = &self.0 else { return };
        let mut held = leased.bytes.lock();
        let less = held.saturating_sub(bytes);
        let mut state = leased.budget.state.lock();
        state.bytes -= less;
        if let Some(share) = state.senders.get_mut(&leased.sender.name) {
            share.bytes -= less;
        }
        *held -= less;
    }

    /// Takes `more` bytes, before they are allocated.
    ///
    /// # Errors
    /// When there is no room; then it stays as it is.
    pub fn grow(&self, more: usize) -> Result<(), Crowded> {
        let Some(leased) = &self.0 else { return Ok(()) };
        leased.take(&mut leased.bytes.lock(), more)
    }
}

impl Leased {
    fn take(&self, held: &mut usize, more: usize) -> Result<(), Crowded> {
        if more == 0 {
            return Ok(());
        }
        let bytes_max = self.budget.bytes_max;
        let mut state = self.budget.state.lock();
        let State { bytes, senders } = &mut *state;
        let share = senders.get_mut(&self.sender.name).expect("a sender's share lives as long as its leases");
        if !share.may_take(*bytes, more, bytes_max) {
            return Err(Crowded { bytes_max });
        }
        *bytes += more;
        share.bytes += more;
        *held += more;
        Ok(())
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        let held = *self.bytes.get_mut();
        state.bytes -= held;
        let share = state.senders.get_mut(&self.sender.name).expect("a sender's share lives as long as its leases");
        share.bytes -= held;
        share.leases -= 1;
        if share.leases == 0 {
            state.senders.remove(&self.sender.name);
        }
    }
}

impl From<Crowded> for NotNow {
    fn from(crowded: Crowded) -> Self {
        Self { reason: Reason::Unavailable, refusal: Refusal::new(RefusalKind::Unavailable, crowded.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: &str, connection: u64) -> Sender {
        Sender { name: name.into(), connection }
    }

    #[test]
    fn what_is_taken_is_given_back_when_the_last_clone_goes() {
        let budget = Budget::new(100);
        let lease = budget.lease(sender("a", 1), 0).expect("there is room");
        lease.widen(40).and_then(|()| lease.widen(30)).and_then(|()| lease.grow(5)).expect("there is room");
        assert_eq!((lease.bytes(), budget.bytes()), (45, 45));
        let clone = lease.clone();
        drop(lease);
        assert_eq!(budget.bytes(), 45);
        drop(clone);
        assert_eq!((budget.bytes(), budget.state.lock().senders.len()), (0, 0));
    }

    #[test]
    fn the_only_body_of_a_sender_may_take_all_and_not_a_byte_more() {
        let budget = Budget::new(100);
        let lease = budget.lease(sender("a", 1), 100).expect("there is room");
        assert_eq!(lease.widen(101), Err(Crowded { bytes_max: 100 }));
        assert_eq!((lease.widen(100), lease.grow(1), budget.bytes()), (Ok(()), Err(Crowded { bytes_max: 100 }), 100));
    }

    #[test]
    fn a_sender_of_many_bodies_leaves_room_for_the_others() {
        let budget = Budget::new(120);
        let take = |name: &str| {
            let mut leases = Vec::new();
            while let Ok(lease) = budget.lease(sender(name, leases.len() as u64), 10)
                && lease.widen(10).is_ok()
            {
                leases.push(lease);
            }
            leases
        };
        let first = take("a");
        assert_eq!(first.len(), 6, "half of it");
        let second = take("b");
        assert_eq!(second.len(), 3, "half of what is left");
        // Who comes anew finds room, and the first one none until it gave some back.
        assert_eq!(take("c").len(), 1);
        assert!(budget.lease(sender("a", 9), 10).is_err());
        drop((first, second));
        assert_eq!((budget.bytes(), budget.state.lock().senders.len()), (0, 0));
    }

    #[test]
    fn a_body_that_announces_more_than_is_free_is_refused_before_a_byte_of_it_came() {
        let budget = Budget::new(100);
        let lease = budget.lease(sender("a", 1), 0).expect("there is room");
        lease.widen(80).expect("there is room");
        assert!(budget.lease(sender("b", 1), 30).is_err() && budget.lease(sender("b", 1), 20).is_ok());
        assert_eq!(budget.bytes(), 80, "what is announced is not taken");
    }

    #[test]
    fn what_flyball_sends_itself_is_of_no_budget() {
        let lease = Lease::default();
        assert_eq!((lease.widen(usize::MAX), lease.grow(7), lease.bytes(), lease.sender()), (Ok(()), Ok(()), 0, None));
    }
}
