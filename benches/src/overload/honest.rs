//! The ledger against what was answered.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::account::query;
use crate::pace::Tally;

/// What the ledger must say, in words.
///
/// # Errors
/// When it does not balance, or says other than the answers did.
pub(super) async fn check(api: SocketAddr, sent: &Tally) -> Result<String> {
    let rows = query(
        api,
        "SELECT outcome, reason, sum(points) FROM flyball.ledger WHERE source NOT LIKE 'host/%' GROUP BY 1, 2",
    )
    .await?;
    let of = |outcome: &str| {
        let rows = rows.iter().filter(|row| row[0] == outcome);
        rows.map(|row| row[2].as_u64().unwrap_or(0)).sum::<u64>()
    };
    let [stored, rejected, dropped] = ["stored", "rejected", "dropped"].map(of);
    let rows = query(api, "SELECT sum(points) FROM flyball.sources WHERE source NOT LIKE 'host/%'").await?;
    let received = rows.first().and_then(|row| row[0].as_u64()).unwrap_or(0);
    ensure!(
        received == stored + rejected + dropped,
        "{received} received are not {stored} stored, {rejected} rejected and {dropped} dropped"
    );
    let (least, most) = (sent.points, sent.points + sent.broken_points);
    ensure!(
        (least..=most).contains(&stored) && dropped == 0,
        "{least} points were acknowledged, {most} at most, and {stored} are stored, {dropped} dropped"
    );
    Ok(format!("balanced: {received} received, {stored} stored of {least} acknowledged, {rejected} rejected"))
}
