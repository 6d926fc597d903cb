//! A log of state in memory that a test can cut off, as a crash does.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{NotDurable, Piece, State, StateLog};

/// Keeps in memory what was put, knows what of it is durable, and says what a crash would leave.
#[derive(Debug, Default)]
pub struct MemoryLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    durable: State,
    /// What was put and is not durable, one entry a call.
    waiting: VecDeque<Vec<Piece>>,
    /// Calls ever made durable.
    synced: u64,
    held: bool,
    wakers: Vec<Waker>,
}

impl Inner {
    fn sync(&mut self, calls: usize) {
        for pieces in self.waiting.drain(..calls) {
            apply(&mut self.durable, pieces);
            self.synced += 1;
        }
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

fn apply(state: &mut State, pieces: Vec<Piece>) {
    for Piece { section, key, value } in pieces {
        state.put(section, &key, value);
    }
}

impl MemoryLog {
    /// A log that goes on from what an earlier one left.
    pub fn with(durable: State) -> Self {
        Self { inner: Mutex::new(Inner { durable, ..Inner::default() }) }
    }

    /// From now on the disk takes nothing (`true`), or whatever somebody waits for (`false`, as at first).
    pub fn hold(&self, held: bool) {
        let mut inner = self.inner.lock();
        inner.held = held;
        if !held {
            let all = inner.waiting.len();
            inner.sync(all);
        }
    }

    /// How many calls are not durable.
    pub fn unsettled(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    /// What is there after a crash of which the first `kept` calls that are not durable happened to survive.
    pub fn after_crash(&self, kept: usize) -> State {
        let inner = self.inner.lock();
        let mut state = inner.durable.clone();
        inner.waiting.iter().take(kept).for_each(|pieces| apply(&mut state, pieces.clone()));
        state
    }
}

#[async_trait]
impl StateLog for MemoryLog {
    fn put_all(&self, pieces: Vec<Piece>) {
        self.inner.lock().waiting.push_back(pieces);
    }

    async fn settled(&self) -> Result<(), NotDurable> {
        let goal = {
            let inner = self.inner.lock();
            inner.synced + inner.waiting.len() as u64
        };
        poll_fn(|context| {
            let mut inner = self.inner.lock();
            if !inner.held {
                let all = inner.waiting.len();
                inner.sync(all);
            }
            if inner.synced >= goal {
                return Poll::Ready(Ok(()));
            }
            inner.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::state::Section;

    #[test]
    fn a_crash_leaves_what_was_settled_and_the_beginning_of_the_rest() {
        let log = MemoryLog::default();
        let mut context = Context::from_waker(Waker::noop());
        log.put(Section::Limits, "a", Some(vec![1]));
        assert!(pin!(log.settled()).poll(&mut context).is_ready());
        log.hold(true);
        log.put(Section::Limits, "a", None);
        log.put(Section::Limits, "b", Some(vec![2]));
        let mut settled = pin!(log.settled());
        assert!(settled.as_mut().poll(&mut context).is_pending());
        let left = |kept| log.after_crash(kept).iter().map(|(_, key, _)| key.to_owned()).collect::<String>();
        assert_eq!([left(0), left(1), left(2)], ["a", "", "b"]);
        log.hold(false);
        assert!(settled.poll(&mut context).is_ready());
        assert_eq!(left(0), "b");
    }
}
