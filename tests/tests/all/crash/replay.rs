//! While the log is read back, flyball says so, and takes nothing that it could not account for.

use std::time::Duration;

use flyball_tests::http::block_on;
use flyball_tests::meter::courier::{Courier, Outcome};
use flyball_tests::meter::{Author, Kind, Victim, audit};
use flyball_tests::time::instant;
use serde_json::json;

/// Points that take a while to be read back: about half a second of a debug build.
const REQUESTS: u64 = 250;

#[test]
fn readiness_is_503_with_the_share_done_until_the_log_has_been_read_back() {
    let dir = flyball_tests::flyball::temp_dir();
    let mut victim = Victim::new(dir.path(), json!({}));
    victim.start_ready();
    // Points of the past hours, so that none is from the future.
    let author = Author { epoch_millis: epoch(), ..Author::new(Kind::Gauges, 0, 40, 60) };
    let courier = Courier::new(&victim.http, author.kind);
    for request in 0..REQUESTS {
        assert_eq!(block_on(courier.deliver(author.body(request))), Outcome::Acked);
    }
    victim.kill();

    victim.start();
    let (start, mut shares, mut sent) = (instant(), Vec::new(), Vec::new());
    loop {
        match victim.http.try_get("/readyz") {
            Ok(answer) if answer.status == 200 => break,
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.text());
                shares.push(answer.text());
                // A sender that comes now is told to try again, or is taken: never turned away for good.
                let outcome = block_on(courier.deliver(author.body(REQUESTS)));
                assert!(matches!(outcome, Outcome::Acked | Outcome::Refused { hint: true, .. }), "{outcome:?}");
                sent.push(outcome);
            }
            Err(_) => {}
        }
        assert!(start.elapsed() < Duration::from_secs(60), "not ready after a minute: {:?}", shares.last());
        victim.process().still_runs();
    }
    let percents: Vec<f64> = shares.iter().filter_map(|share| percent(share)).collect();
    assert!(!percents.is_empty(), "nobody was told how far the replay was: {shares:?}");
    assert!(percents.is_sorted() && percents.iter().all(|percent| (0.0..=100.0).contains(percent)), "{percents:?}");
    victim.wait_ready();
    let rows = audit::count(&victim.http, author.kind.table());
    let extra = if sent.contains(&Outcome::Acked) { author.points() } else { 0 };
    assert_eq!(rows, REQUESTS * author.points() + extra);
}

/// Four hours ago.
fn epoch() -> u64 {
    flyball_tests::time::now_nanos() / 1_000_000 - 4 * 3_600_000
}

/// The number before the sign of per cent.
fn percent(text: &str) -> Option<f64> {
    let before = text.split_once('%')?.0.trim_end();
    let from = before.rfind(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(0, |at| at + 1);
    before[from..].parse().ok()
}

#[test]
fn the_share_is_read_from_a_sentence() {
    assert_eq!(percent("replaying the log, 42.5 % done\n"), Some(42.5));
    assert_eq!(percent("7%"), Some(7.0));
    assert_eq!(percent("draining"), None);
}
