//! Free ports on loopback, for programs that cannot take port 0 or do not tell which one they got.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the kernel's ephemeral ports, so that no outgoing connection takes one between the look and the start.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on now, and that no other call in this process gets.
///
/// # Panics
/// When all ports of the range are taken.
pub fn free_port() -> u16 {
    // Test programs that run at the same time begin at different places.
    let offset = u16::try_from(std::process::id() * 101 % u32::from(COUNT)).expect("below COUNT");
    (0..COUNT)
        .map(|_| FIRST + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a free port on loopback")
}
