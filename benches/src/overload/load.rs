//! The senders of the load.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::{join_all, try_join_all};

use super::tally::Tally;
use super::template::Template;
use crate::client::{Client, Endpoint};
use crate::clock;

/// Connections of the closed loop, which finds the pace that can be kept.
const CLOSED_SENDERS: usize = 8;

/// A body whose time was so long ago is not sent any more: all connections were busy. Without it the loop would catch up, and be closed.
const LATE: Duration = Duration::from_millis(100);

/// An answer that does not come within this is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an open loop sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    /// Bodies a second.
    pub(super) rate: f64,
    /// Connections.
    pub(super) senders: usize,
    /// For so long.
    pub(super) time: Duration,
}

/// Each connection sends the next body when its last one was answered: so many bodies, for so long.
pub(super) async fn closed(
    endpoint: &Arc<Endpoint>,
    templates: &[Template],
    bodies: usize,
    time: Option<Duration>,
) -> Result<Tally> {
    let start = clock::now();
    let next = RefCell::new(0_usize);
    let tally = RefCell::new(Tally::default());
    let senders = (0..CLOSED_SENDERS).map(|_| async {
        let mut client = Client::connect(Arc::clone(endpoint)).await?;
        loop {
            let number = next.replace_with(|number| *number + 1);
            if number >= bodies || time.is_some_and(|time| start.elapsed() >= time) {
                return anyhow::Ok(());
            }
            let body = templates[number % templates.len()].at(nanos());
            let sent = clock::now();
            client.send(&body).await?;
            tally.borrow_mut().note(Ok(crate::client::Verdict::Taken), body.points, sent, clock::now());
        }
    });
    try_join_all(senders).await?;
    Ok(tally.into_inner())
}

/// A body is sent when its time has come, by whichever connection is free.
pub(super) async fn open(endpoint: &Arc<Endpoint>, templates: &[Template], offer: Offer) -> Result<Tally> {
    let clients = (0..offer.senders).map(|_| Client::connect(Arc::clone(endpoint)));
    let clients = try_join_all(clients).await?;
    let start = clock::now();
    let next = Rc::new(RefCell::new(0_u64));
    let tally = RefCell::new(Tally::default());
    let senders = clients.into_iter().map(|mut client| {
        let (next, tally) = (Rc::clone(&next), &tally);
        async move {
            while start.elapsed() < offer.time {
                let due = {
                    let mut next = next.borrow_mut();
                    let on_time = ((start.elapsed().saturating_sub(LATE)).as_secs_f64() * offer.rate) as u64;
                    tally.borrow_mut().skipped += on_time.saturating_sub(*next);
                    let number = (*next).max(on_time);
                    *next = number + 1;
                    number
                };
                let at = start + Duration::from_secs_f64(due as f64 / offer.rate);
                tokio::time::sleep_until(at.into()).await;
                let body = templates[due as usize % templates.len()].at(nanos());
                let sent = clock::now();
                let answer = tokio::time::timeout(PATIENCE, client.try_send(&body)).await;
                let verdict = answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PATIENCE:?}")));
                let broken = verdict.is_err();
                tally.borrow_mut().note(verdict, body.points, sent, clock::now());
                if broken && let Ok(again) = Client::connect(Arc::clone(endpoint)).await {
                    client = again;
                }
            }
        }
    });
    join_all(senders).await;
    Ok(tally.into_inner())
}

/// The time of a body's points.
pub(super) fn nanos() -> u64 {
    clock::unix_nanos()
}
