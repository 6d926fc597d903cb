//! Who sent a request, as the ledger names it.

use std::net::SocketAddr;

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

/// A number for the connection of a request among those of its peer: the peer's port.
pub(crate) fn connection_of(extensions: &Extensions) -> u64 {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(0, |ConnectInfo(address)| u64::from(address.port()))
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
}
