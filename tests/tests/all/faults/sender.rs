//! One sender with its book, a request after the other.

use std::time::Duration;

use flyball_tests::http::block_on;
use flyball_tests::meter::courier::{Courier, Outcome};
use flyball_tests::meter::{Author, Book, Kind, Victim, account, audit};
use flyball_tests::wait_until;

/// A sender of logs that are as long in a file as they are on the wire.
pub(super) struct Sender {
    author: Author,
    courier: Courier,
    book: Book,
    next: u64,
}

/// Bytes of ballast in each record: 16 KiB of text.
const BALLAST: usize = 8 * 1024;

impl Sender {
    pub(super) fn new(victim: &Victim, kind: Kind) -> Self {
        let hour = 3_600_000;
        let author = Author::new(kind, 0, 3, 5);
        // From an hour ago, so that none of its points is ever of the future.
        let author = Author { ballast: BALLAST, epoch_millis: author.epoch_millis - hour, ..author };
        Self { courier: Courier::new(&victim.http, kind), author, book: Book::default(), next: 0 }
    }

    /// Sends the next request, or again the one that was refused.
    pub(super) fn try_next(&mut self) -> Outcome {
        let outcome = block_on(self.courier.deliver(self.author.body(self.next)));
        let unknown = u64::from(outcome == Outcome::Unknown);
        self.book.note(self.next, &outcome, 1);
        assert_eq!(unknown, 0, "no connection may die here");
        if outcome == Outcome::Acked {
            self.next += 1;
        }
        outcome
    }

    /// Sends requests that must be taken.
    #[track_caller]
    pub(super) fn send(&mut self, requests: u64) {
        for _ in 0..requests {
            assert_eq!(self.try_next(), Outcome::Acked);
        }
    }

    /// Sends until a request is refused, and gives what the answer says. It must be one that a sender may repeat, with a hint when.
    #[track_caller]
    pub(super) fn send_until_refused(&mut self, requests_max: u64) -> String {
        for _ in 0..requests_max {
            match self.try_next() {
                Outcome::Acked => {}
                Outcome::Refused { status: 503, hint: true, text } => return text,
                other => panic!("request {}: {other:?}", self.next),
            }
        }
        panic!("{requests_max} requests were taken by a disk that can't hold them");
    }

    /// Sends again until it is taken.
    #[track_caller]
    pub(super) fn send_when_possible(&mut self) {
        wait_until("a request to be taken again", Duration::from_secs(20), || match self.try_next() {
            Outcome::Acked => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Whether flyball has what it acknowledged, and nothing of it twice. What waits to be sent again may be there or not.
    #[track_caller]
    pub(super) fn check(&self, victim: &Victim) {
        let problems = audit::acked(&victim.http, &self.author, &self.book, 0);
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    /// Whether flyball has exactly what it was sent, and a ledger that says so. Nothing waits to be sent again.
    #[track_caller]
    pub(super) fn check_all(&self, victim: &Victim) {
        let books = [(&self.author, self.book.clone())];
        let mut problems = audit::complete(&victim.http, &books);
        problems.extend(account::check(&victim.http, &account::of(&books)));
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    /// Requests that were taken.
    pub(super) fn acked(&self) -> u64 {
        self.book.acked()
    }

    /// Points of a request.
    pub(super) fn points(&self) -> u64 {
        self.author.points()
    }

    /// What is wrong with what flyball has of it, a line a request.
    #[track_caller]
    pub(super) fn problems(&self, victim: &Victim) -> Vec<String> {
        audit::acked(&victim.http, &self.author, &self.book, 0)
    }
}
