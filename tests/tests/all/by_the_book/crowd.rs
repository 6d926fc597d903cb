//! Senders whose bodies never end: together they fill what `limits.memory` has for bodies under way.

use std::time::Duration;

use flyball_tests::http::block_on;
use flyball_tests::wait_until;
use flyball_tests::wire::{self, Stream};
use tokio::io::AsyncWriteExt;

use super::server::{Server, TENANT};

/// The longest body, where `limits.memory` is 24 MiB: a third of the quarter that bodies get.
pub(super) const BODY_BYTES: usize = 2 << 20;

/// As many of them as there is room for.
pub(super) const SENDERS: u64 = 3;

const SOON: Duration = Duration::from_secs(20);

/// They stay until they are dropped.
pub(super) struct Crowd(#[expect(dead_code, reason = "kept open")] Vec<Box<dyn Stream>>);

impl Crowd {
    /// Sends all but the last byte of each body, to OTLP/HTTP's metrics.
    #[track_caller]
    pub(super) fn fill(server: &Server) -> Self {
        let bytes = vec![0; BODY_BYTES - 1];
        let streams = (0..SENDERS).map(|number| {
            let head = format!(
                "POST /v1/metrics HTTP/1.1\r\nHost: flyball\r\nContent-Type: application/x-protobuf\r\n\
                 {TENANT}: crowd-{number}\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
            );
            block_on(async {
                let address = server.flyball.otlp_http.address();
                let mut stream = wire::connect(address, server.authority.as_deref(), "http/1.1").await;
                for part in [head.as_bytes(), &bytes] {
                    stream.write_all(part).await.expect("flyball reads");
                }
                stream.flush().await.expect("flyball reads");
                stream
            })
        });
        let crowd = Self(streams.collect());
        wait_until("memory for bodies to be full", SOON, || {
            let (held, max) = (gauge(server, "flyball_in_flight_bytes"), gauge(server, "flyball_in_flight_bytes_max"));
            if held == max && max > 0 { Ok(()) } else { Err(format!("{held} of {max}")) }
        });
        crowd
    }

    /// They go away, and what they sent is counted as broken off.
    #[track_caller]
    pub(super) fn leave(self, server: &Server) {
        drop(self);
        wait_until("the crowd to be gone", SOON, || {
            let (held, counted) =
                (gauge(server, "flyball_in_flight_bytes"), server.flyball.ledger("rejected", "interrupted"));
            if held == 0 && counted == SENDERS { Ok(()) } else { Err(format!("{held} bytes, {counted} counted")) }
        });
    }
}

#[track_caller]
fn gauge(server: &Server, name: &str) -> u64 {
    let page = server.flyball.http.get("/metrics").expect_status(200).text();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
}
