//! Points of times past, which a target gets as fast as it takes them.

use std::sync::Arc;

use anyhow::Result;
use flyball_bench::body;
use flyball_bench::load::Load;
use flyball_bench::order::Order;
use flyball_bench::plan::Plan;
use futures::future::try_join_all;

use crate::client::{Client, Endpoint};
use crate::{clock, drive};

/// Milliseconds between two points of a series.
pub(super) const STEP_MILLIS: i64 = 15_000;

/// Connections that bring it.
const CONNECTIONS: usize = 4;

/// Points that are encoded and sent at a time: some tens of megabytes.
const SLICE: usize = 1_000_000;

/// Every series at [`STEP_MILLIS`], up to now, in remote write 1.0.
pub(super) fn plan(series: usize, seconds: u64, order: Order) -> Plan {
    Plan {
        load: Load::RemoteWrite,
        series,
        connections: CONNECTIONS,
        warm_up: 0,
        measured: (seconds * 1_000).div_ceil(STEP_MILLIS as u64) as usize,
        order,
        shuffle_labels: false,
        step_millis: STEP_MILLIS,
        // Whole seconds, so that evaluations of a backtest fall on the points.
        last_at_millis: clock::unix_millis() / 1_000 * 1_000,
    }
}

/// Sends all of it, a slice after the other: all bodies of a day don't fit into memory at once.
pub(super) async fn fill(endpoint: &Arc<Endpoint>, plan: &Plan) -> Result<()> {
    clock::note(&format!("  sending {} points of the past", plan.points()));
    let mut clients = try_join_all((0..plan.connections).map(|_| Client::connect(Arc::clone(endpoint)))).await?;
    drive::wait_until_taken(&mut clients[0], plan.load).await?;
    let rounds = (SLICE / plan.series.max(1)).max(1);
    for first in (0..plan.rounds()).step_by(rounds) {
        let slice = body::encode_some(plan, first..plan.rounds().min(first + rounds));
        drive::send(&mut clients, &slice).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_240_points_of_a_series_and_ends_now() {
        let plan = plan(1_000, 3_600, Order::Steady);
        assert_eq!((plan.rounds(), plan.points()), (240, 240_000));
        assert_eq!(plan.at_millis(239) - plan.at_millis(0), 239 * STEP_MILLIS);
        assert_eq!(plan.at_millis(239), plan.last_at_millis);
    }
}
