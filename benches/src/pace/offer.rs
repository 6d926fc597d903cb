//! The senders of the load, closed loop and open loop.

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
pub(crate) struct Offer {
    /// Bodies a second.
    pub(crate) rate: f64,
    /// Connections.
    pub(crate) senders: usize,
    /// For so long.
    pub(crate) time: Duration,
}

/// Each connection sends the next body of its share when its last one was answered: each of them once, or for so long.
pub(crate) async fn closed(endpoint: &Arc<Endpoint>, templates: &[Template], time: Option<Duration>) -> Result<Tally> {
    let start = clock::now();
    let tally = RefCell::new(Tally::default());
    let noted = &tally;
    let senders = (0..CLOSED_SENDERS).map(|sender| async move {
        let mut client = Client::connect(Arc::clone(endpoint)).await?;
        let share = share(templates, sender, CLOSED_SENDERS);
        for number in 0.. {
            if time.map_or(number == share.len(), |time| start.elapsed() >= time) {
                break;
            }
            let body = share[number % share.len()].at(nanos());
            let sent = clock::now();
            client.send(&body).await?;
            noted.borrow_mut().note(Ok(crate::client::Verdict::Taken), body.points, sent, clock::now());
        }
        anyhow::Ok(())
    });
    try_join_all(senders).await?;
    Ok(tally.into_inner())
}

/// A body is sent when its time has come, by whichever connection is free.
pub(crate) async fn open(endpoint: &Arc<Endpoint>, templates: &[Template], offer: Offer) -> Result<Tally> {
    let clients = (0..offer.senders).map(|_| Client::connect(Arc::clone(endpoint)));
    let clients = try_join_all(clients).await?;
    let start = clock::now();
    let next = Rc::new(RefCell::new(0_u64));
    let tally = RefCell::new(Tally::default());
    let senders = clients.into_iter().enumerate().map(|(sender, mut client)| {
        let mut share = share(templates, sender, offer.senders).into_iter().cycle();
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
                let Some(template) = share.next() else { return };
                let body = template.at(nanos());
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

/// The bodies that one of so many connections sends. Each has its own, where there are enough: a series that came over several could
/// overtake itself, which Prometheus refuses.
fn share(templates: &[Template], sender: usize, senders: usize) -> Vec<&Template> {
    templates.iter().skip(sender % templates.len()).step_by(senders).collect()
}

/// The time of a body's points.
pub(crate) fn nanos() -> u64 {
    clock::unix_nanos()
}

#[cfg(test)]
mod tests {
    use flyball_bench::load::Load;

    use super::*;

    #[test]
    fn each_connection_has_bodies_of_its_own_where_there_are_enough() {
        let templates = Template::all(Load::OtlpHttp, 5, 1);
        let places = |share: Vec<&Template>| share.into_iter().map(std::ptr::from_ref).collect::<Vec<_>>();
        let of_two = [0, 1].map(|sender| places(share(&templates, sender, 2)));
        assert_eq!((of_two[0].len(), of_two[1].len()), (3, 2));
        assert!(of_two[0].iter().all(|body| !of_two[1].contains(body)));
        assert!((0..12).all(|sender| share(&templates, sender, 12).len() == 1), "nobody stands idle");
    }
}
