//! Series that send in real time: each once in a while, their bodies evenly spread over it.

use std::time::Duration;

use anyhow::Result;
use flyball_bench::body::{self, Body, Tick};
use flyball_bench::load::Load;

use super::history::STEP_MILLIS;
use crate::client::Client;
use crate::clock;

/// Sends for so many rounds, each as long as [`STEP_MILLIS`]; bodies are encoded when their time has come.
pub(super) async fn send(client: &mut Client, load: Load, series: usize, rounds: usize) -> Result<()> {
    let numbers: Vec<_> = (0..series).collect();
    let batches: Vec<_> = numbers.chunks(load.protocol().batch()).collect();
    let start = clock::now();
    for (sent, (round, batch)) in
        (0..rounds).flat_map(|round| batches.iter().map(move |batch| (round, batch))).enumerate()
    {
        tokio::time::sleep_until((start + due(sent, batches.len())).into()).await;
        let tick = Tick { round, at_millis: clock::unix_millis(), shuffle_labels: false };
        let bytes = body::wrap(load.wrapping(), body::plain(load.protocol(), batch, &tick));
        client.send(&Body { bytes, points: batch.len() }).await?;
    }
    tokio::time::sleep_until((start + due(rounds * batches.len(), batches.len())).into()).await;
    Ok(())
}

/// When a body is sent, of so many a round.
fn due(body: usize, of_a_round: usize) -> Duration {
    Duration::from_millis(STEP_MILLIS as u64).mul_f64(body as f64 / of_a_round as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_evenly_spread_over_their_round() {
        assert_eq!([0, 1, 5, 10].map(|body| due(body, 5).as_millis()), [0, 3_000, 15_000, 30_000]);
    }
}
