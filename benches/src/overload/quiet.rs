//! A modest sender from another address: it sends little, and must not notice what the others do.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use flyball_bench::load::Load;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Endpoint};
use crate::clock;
use crate::pace::{Tally, Template, nanos};

/// Its address: another one than that of the load.
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The pause between two of its bodies.
const PAUSE: Duration = Duration::from_millis(50);

/// Series of its own, a body's worth.
const SERIES: usize = 50;

/// It is as before once so many bodies in a row were let in as fast as before: half a second of this sender.
pub(super) const IN_A_ROW: usize = 10;

/// Answers as fast as this are fast enough, whatever they were before.
const FAST: Duration = Duration::from_millis(50);

/// The sender.
pub(super) struct Quiet {
    endpoint: Arc<Endpoint>,
    client: Client,
    template: Template,
}

impl Quiet {
    /// Connects; its series come after the first `series`.
    pub(super) async fn connect(endpoint: &Arc<Endpoint>, load: Load, series: usize) -> Result<Self> {
        let numbers: Vec<_> = (series..series + SERIES).collect();
        let client = Client::connect_from(Arc::clone(endpoint), FROM).await?;
        Ok(Self { endpoint: Arc::clone(endpoint), client, template: Template::new(load, &numbers) })
    }

    /// Sends its bodies until it is told to stop.
    pub(super) async fn send_until(mut self, stop: &CancellationToken) -> Tally {
        let mut tally = Tally::default();
        while !stop.is_cancelled() {
            let body = self.template.at(nanos());
            let sent = clock::now();
            let verdict = self.client.try_send(&body).await;
            let broken = verdict.is_err();
            tally.note(verdict, body.points, sent, clock::now());
            if broken && let Ok(again) = Client::connect_from(Arc::clone(&self.endpoint), FROM).await {
                self.client = again;
            }
            tokio::time::sleep(PAUSE).await;
        }
        tally
    }
}

/// How long after `ended` the first of so many bodies in a row was let in that all were as fast as before.
pub(super) fn recovered(calm: &Tally, afterwards: &Tally, ended: Instant, in_a_row: usize) -> Option<Duration> {
    let usual = Duration::from_secs_f64(calm.millis(0.99) / 1e3 * 3.0).max(FAST);
    let good = |&(at, took): &(Instant, Duration)| (at, took <= usual);
    let mut all: Vec<_> =
        afterwards.answers.iter().map(good).chain(afterwards.turned_away.iter().map(|at| (*at, false))).collect();
    all.sort_unstable();
    let first = all.windows(in_a_row.max(1)).find(|answers| answers.iter().all(|(_, good)| *good))?.first()?;
    Some(first.0.saturating_duration_since(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_before_once_ten_in_a_row_are_fast() {
        let ended = clock::now();
        let at = |millis: u64| ended + Duration::from_millis(millis);
        let (mut calm, mut afterwards) = (Tally::default(), Tally::default());
        calm.answers = vec![(ended, Duration::from_millis(2)); 100];
        afterwards.answers = (1..=5).map(|n| (at(n * 100), Duration::from_millis(3))).collect();
        afterwards.turned_away = vec![at(550)];
        assert_eq!(recovered(&calm, &afterwards, ended, IN_A_ROW), None);
        afterwards.answers.extend((6..=20).map(|n| (at(n * 100), Duration::from_millis(if n < 8 { 80 } else { 3 }))));
        assert_eq!(recovered(&calm, &afterwards, ended, IN_A_ROW), Some(Duration::from_millis(800)));
    }
}
