//! Who is next: bodies that wait, by sender and connection.
//!
//! Senders take turns by bytes (deficit round robin; Shreedhar and Varghese, SIGCOMM 1995), the connections of one sender take turns by
//! bodies, and the bodies of one connection keep their order. When there are too many, the newest body of the busiest connection of the
//! sender with the most bytes gives way.

use std::collections::VecDeque;
use std::sync::Arc;

use flyball_model::admission::Sender;
use hashbrown::HashMap;

/// What a sender may send in its turn, in bytes: some usual batches, so that turns are short against the time that a body waits.
const QUANTUM_BYTES: usize = 256 * 1024;

/// Bodies that wait. Bounded by whoever fills it.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    senders: HashMap<Arc<str>, Waiting<T>>,
    /// The senders that have something here, the next one first.
    turns: VecDeque<Arc<str>>,
    bytes: usize,
    len: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    bytes: usize,
    /// What is left of its turn.
    deficit: usize,
    /// Its connections that have something here, the next one first.
    connections: VecDeque<Line<T>>,
}

#[derive(Debug)]
struct Line<T> {
    connection: u64,
    bytes: usize,
    bodies: VecDeque<Body<T>>,
}

/// One that waits.
#[derive(Debug)]
pub(crate) struct Body<T> {
    /// Tells it from all others.
    pub(crate) ticket: u64,
    /// Its weight.
    pub(crate) bytes: usize,
    /// Whatever goes with it.
    pub(crate) item: T,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { senders: HashMap::new(), turns: VecDeque::new(), bytes: 0, len: 0 }
    }
}

impl<T> FairQueue<T> {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a body behind those of its connection.
    pub(crate) fn push(&mut self, sender: &Sender, body: Body<T>) {
        let waiting = self.senders.entry(Arc::clone(&sender.name)).or_insert_with(|| {
            self.turns.push_back(Arc::clone(&sender.name));
            Waiting { bytes: 0, deficit: 0, connections: VecDeque::new() }
        });
        self.bytes += body.bytes;
        self.len += 1;
        waiting.bytes += body.bytes;
        match waiting.connections.iter_mut().find(|line| line.connection == sender.connection) {
            Some(line) => {
                line.bytes += body.bytes;
                line.bodies.push_back(body);
            }
            None => {
                let (connection, bytes) = (sender.connection, body.bytes);
                waiting.connections.push_back(Line { connection, bytes, bodies: VecDeque::from([body]) });
            }
        }
    }

    /// Takes out the body whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Body<T>> {
        loop {
            let name = self.turns.front()?;
            let waiting = self.senders.get_mut(name).expect("who has a turn waits");
            let line = waiting.connections.front_mut().expect("who waits has a connection");
            let next = line.bodies.front().expect("a connection that waits has a body").bytes;
            if next > waiting.deficit {
                // Its turn is over. Each round makes it longer, so that the longest body gets out after some.
                waiting.deficit += QUANTUM_BYTES;
                self.turns.rotate_left(1);
                continue;
            }
            waiting.deficit -= next;
            let body = line.bodies.pop_front().expect("it was just looked at");
            line.bytes -= body.bytes;
            waiting.bytes -= body.bytes;
            self.bytes -= body.bytes;
            self.len -= 1;
            if line.bodies.is_empty() {
                waiting.connections.pop_front();
            } else {
                waiting.connections.rotate_left(1);
            }
            if waiting.connections.is_empty() {
                let name = self.turns.pop_front().expect("it was just looked at");
                self.senders.remove(&name);
            }
            return Some(body);
        }
    }

    /// Takes out a body before its turn; nothing, if it is not here any more.
    pub(crate) fn remove(&mut self, sender: &Sender, ticket: u64) -> Option<Body<T>> {
        self.take(&sender.name, sender.connection, |bodies| bodies.iter().position(|body| body.ticket == ticket))
    }

    /// Takes out the body that gives way when there are too many.
    pub(crate) fn shed(&mut self) -> Option<Body<T>> {
        let (name, waiting) = self.senders.iter().max_by_key(|(_, waiting)| waiting.bytes)?;
        let line = waiting.connections.iter().max_by_key(|line| line.bytes)?;
        let (name, connection) = (Arc::clone(name), line.connection);
        self.take(&name, connection, |bodies| bodies.len().checked_sub(1))
    }

    fn take(
        &mut self,
        name: &str,
        connection: u64,
        which: impl FnOnce(&VecDeque<Body<T>>) -> Option<usize>,
    ) -> Option<Body<T>> {
        let waiting = self.senders.get_mut(name)?;
        let index = waiting.connections.iter().position(|line| line.connection == connection)?;
        let line = &mut waiting.connections[index];
        let body = line.bodies.remove(which(&line.bodies)?)?;
        line.bytes -= body.bytes;
        if line.bodies.is_empty() {
            waiting.connections.remove(index);
        }
        waiting.bytes -= body.bytes;
        self.bytes -= body.bytes;
        self.len -= 1;
        if waiting.connections.is_empty() {
            self.senders.remove(name);
            self.turns.retain(|turn| &**turn != name);
        }
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: &str, connection: u64) -> Sender {
        Sender { name: name.into(), connection }
    }

    /// A queue of bodies (sender, connection, bytes), whose tickets count from 0.
    fn queue(bodies: &[(&str, u64, usize)]) -> FairQueue<()> {
        let mut queue = FairQueue::default();
        for (ticket, &(name, connection, bytes)) in (0..).zip(bodies) {
            queue.push(&sender(name, connection), Body { ticket, bytes, item: () });
        }
        queue
    }

    fn order(queue: &mut FairQueue<()>) -> Vec<u64> {
        let order = std::iter::from_fn(|| queue.pop()).map(|body| body.ticket).collect();
        assert_eq!((queue.len(), queue.bytes(), queue.turns.len(), queue.senders.len()), (0, 0, 0, 0));
        order
    }

    #[test]
    fn senders_take_turns_by_bytes_and_connections_by_bodies() {
        const Q: usize = QUANTUM_BYTES;
        for (what, bodies, expected) in [
            ("one after the other", &[("a", 1, Q), ("a", 1, Q), ("b", 1, Q)][..], &[0, 2, 1][..]),
            ("small ones share a turn", &[("a", 1, Q / 2), ("a", 1, Q / 2), ("a", 1, Q), ("b", 1, Q)], &[0, 1, 3, 2]),
            (
                "a large one waits for some turns",
                &[("a", 1, 3 * Q), ("b", 1, Q), ("b", 1, Q), ("b", 1, Q)],
                &[1, 2, 0, 3],
            ),
            ("connections alternate", &[("a", 1, Q), ("a", 1, Q), ("a", 1, Q), ("a", 2, Q)], &[0, 3, 1, 2]),
        ] {
            assert_eq!(order(&mut queue(bodies)), expected, "{what}");
        }
    }

    #[test]
    fn the_newest_of_the_busiest_connection_of_the_busiest_sender_gives_way() {
        let mut queue = queue(&[("a", 1, 10), ("a", 2, 25), ("a", 2, 5), ("b", 1, 35), ("a", 3, 20)]);
        let shed: Vec<_> = std::iter::from_fn(|| queue.shed()).map(|body| body.ticket).collect();
        // a: 60 of which connection 2 has 30; a: 55, of which it has 25; then b has the most; then a again.
        assert_eq!(shed, [2, 1, 3, 4, 0]);
        assert_eq!((queue.len(), queue.bytes(), queue.turns.len()), (0, 0, 0));
    }

    #[test]
    fn one_that_went_away_leaves_no_trace() {
        let mut queue = queue(&[("a", 1, 10), ("a", 1, 10), ("b", 1, 10)]);
        assert_eq!(queue.remove(&sender("a", 1), 1).map(|body| body.ticket), Some(1));
        assert!(queue.remove(&sender("a", 1), 1).is_none() && queue.remove(&sender("c", 1), 0).is_none());
        assert!(queue.remove(&sender("b", 1), 2).is_some());
        assert_eq!(order(&mut queue), [0]);
    }
}
