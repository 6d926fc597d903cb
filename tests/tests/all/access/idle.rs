//! Connections that only cost.

use std::time::Duration;

use flyball_tests::{Flyball, Python, otlp};
use serde_json::json;

const IDLE: usize = 10_000;
/// Of them, those that have asked once and keep their connection.
const TALKERS: usize = 1_000;

/// What each may cost in memory.
const IDLE_BYTES_MAX: u64 = 8 * 1024;
const TALKER_BYTES_MAX: u64 = 32 * 1024;

#[track_caller]
fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kib * 1024
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_disturb_nobody() {
    let Some(python) = Python::need() else { return };
    let mut flyball = Flyball::start(json!({}));
    let process = flyball.process().id();
    let before = resident_bytes(process);
    for (port, talkers) in [(flyball.http.address().to_owned(), TALKERS), (flyball.otlp_grpc.clone(), 0)] {
        let mut idle = python.start("idle_connections.py", &[&port, &IDLE.to_string(), &talkers.to_string()]);
        let line = idle.wait_for_line("open ", Duration::from_secs(60));
        assert_eq!(line, format!("open {IDLE}"), "{}", idle.stderr());
        otlp::send_gauge(&flyball.http, "room", &[], 1.0);
        otlp::send_gauge(&flyball.otlp_http, "room", &[], 2.0);
        let page = flyball.http.get("/metrics").expect_status(200).text();
        let open: f64 = page
            .lines()
            .filter_map(|line| line.strip_prefix("flyball_connections{")?.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        assert!(
            open >= IDLE as f64,
            "{open} are open at once; did it take longer to open them than they may be silent?"
        );
        let refused: Vec<_> =
            page.lines().filter(|line| line.starts_with("flyball_connections_refused_total")).collect();
        assert!(refused.len() == 3 && refused.iter().all(|line| line.ends_with(" 0")), "{refused:?}");
        let grown = resident_bytes(process).saturating_sub(before);
        let allowed = (IDLE - talkers) as u64 * IDLE_BYTES_MAX + talkers as u64 * TALKER_BYTES_MAX + (64 << 20);
        assert!(grown < allowed, "{port}: {} MiB more for {IDLE} connections", grown >> 20);
    }
    assert!(flyball.stop().success(), "they don't hold up a stop");
}
