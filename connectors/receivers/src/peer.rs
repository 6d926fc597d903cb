//! Who sent a request, as the ledger names it.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::Extensions;

/// The peer of a request whose server did not say where it came from.
const UNKNOWN: &str = "unknown";

/// The address without its port; an IPv4 address stays one on a dual-stack socket.
pub(crate) fn name(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// The peer that the server put into a request with [`ConnectInfo`].
pub(crate) fn of_request(extensions: &Extensions) -> String {
    match extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(address)) => name(*address),
        None => UNKNOWN.to_owned(),
    }
}

/// Who shares with others as one sender: an address of IPv4, or a network of 64 bits of IPv6. No host gets less than that (RFC 4291,
/// 2.5.4), and it may come from a new address of it with every request.
pub(crate) fn source(peer: &str) -> Arc<str> {
    match peer.parse::<Ipv6Addr>() {
        Ok(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)).into(),
        Err(_) => peer.into(),
    }
}

/// A number for a connection among those of its [`source`]: the peer's port, and over IPv6 before it what tells hosts of a network apart.
/// Never 0.
pub(crate) fn connection(address: SocketAddr) -> u64 {
    let host = match address {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_none() => v6.ip().to_bits() as u64,
        _ => 0,
    };
    // Of the host's 64 bits 48 are left; whoever chooses addresses that differ in the others only shares turns with itself.
    (host << 16 | u64::from(address.port())).max(1)
}

/// [`connection`] of a request; 0 where its server did not say where it came from.
pub(crate) fn connection_of(extensions: &Extensions) -> u64 {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(0, |ConnectInfo(address)| connection(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_its_address_without_the_port() {
        let named = |address: &str| name(address.parse().expect("an address"));
        assert_eq!(named("10.0.0.7:4317"), "10.0.0.7");
        assert_eq!(named("[2001:db8::1]:4317"), "2001:db8::1");
        assert_eq!(named("[::ffff:10.0.0.7]:4317"), "10.0.0.7");
        assert_eq!(of_request(&Extensions::new()), "unknown");
    }

    #[test]
    fn a_host_of_ipv6_is_one_source_and_its_connections_are_told_apart() {
        for (address, expected, connection_expected) in [
            ("10.0.0.7:4317", "10.0.0.7", 4317),
            ("[::ffff:10.0.0.7]:4317", "10.0.0.7", 4317),
            ("[2001:db8:1:2::1]:4317", "2001:db8:1:2::/64", 0x1_0000 + 4317),
            ("[2001:db8:1:2:ffff:ffff:ffff:ffff]:1", "2001:db8:1:2::/64", 0xffff_ffff_ffff_0001),
            ("[2001:db8:1:3::1]:4317", "2001:db8:1:3::/64", 0x1_0000 + 4317),
            ("[fe80::1%4]:4317", "fe80::/64", 0x1_0000 + 4317),
            ("[::1]:4317", "::/64", 0x1_0000 + 4317),
            ("[2001:db8::1:0:0:0]:0", "2001:db8::/64", 1),
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!((&*source(&name(address)), connection(address)), (expected, connection_expected), "{address}");
        }
        assert_eq!(&*source(&of_request(&Extensions::new())), "unknown");
        assert_eq!(connection_of(&Extensions::new()), 0);
    }
}
