//! Addresses that nobody may lead flyball to.
//!
//! Whoever may name a webhook, redirect a scrape, or answer for a name server that is trusted, could make flyball ask the cloud's metadata
//! service, which gives credentials to whoever asks from within. It is reached by link-local addresses, so these are refused, in the
//! connection's own look-up, so that a name can't change between a check and its use. Loopback and private networks are where the
//! estate lives on premises, and stay allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Metadata services beside the link-local one: Alibaba Cloud's, Azure's agent.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// The same in IPv6: AWS's, Google's.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Whether an address is link-local or a metadata service's, in whatever form of IPv6 an IPv4 address may stand.
pub fn is_refused(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || METADATA_V6.contains(&v6)
                || embedded(v6).is_some_and(|v4| is_refused(IpAddr::V4(v4)))
        }
    }
}

/// The IPv4 address within: mapped (`::ffff:0:0/96`), compatible (`::/96`), NAT64 (`64:ff9b::/96`), 6to4 (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = |segments: [u16; 8]| {
        let ([a, b], [c, d]) = (segments[6].to_be_bytes(), segments[7].to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        segments @ ([0, 0, 0, 0, 0, 0xffff | 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]) => Some(last(segments)),
        [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

/// The refused address that a URL's host is, if it is one; it is never looked up then.
pub fn refused_host(host: &str) -> Option<IpAddr> {
    let address: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    is_refused(address).then_some(address)
}

/// What a look-up found, without the addresses that are refused.
///
/// # Errors
/// The first of them, when nothing else was found.
pub fn allowed(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, IpAddr> {
    let (refused, allowed): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| is_refused(address.ip()));
    match refused.first() {
        Some(first) if allowed.is_empty() => Err(first.ip()),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_disguise() {
        for (address, refused) in [
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("169.255.0.1", false),
            ("100.100.100.200", true),
            ("168.63.129.16", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", false),
            ("fd00:ec2::254", true),
            ("fd20:ce::254", true),
            ("fd00:ec2::255", false),
            ("::ffff:169.254.169.254", true),
            ("::169.254.169.254", true),
            ("64:ff9b::169.254.169.254", true),
            ("2002:a9fe:a9fe::1", true),
            ("2002:0a00:0001::1", false),
            ("::ffff:10.0.0.1", false),
            ("127.0.0.1", false),
            ("::1", false),
            ("10.1.2.3", false),
            ("192.168.1.1", false),
            ("fd12:3456::1", false),
            ("2001:db8::1", false),
        ] {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(is_refused(parsed), refused, "{address}");
            assert_eq!(refused_host(address), refused.then_some(parsed), "{address}");
            assert_eq!(refused_host(&format!("[{address}]")), refused.then_some(parsed), "{address}");
        }
        assert_eq!(refused_host("169.254.169.254.example"), None);
    }

    #[test]
    fn of_several_addresses_the_others_are_left() {
        let parse = |list: &[&str]| list.iter().map(|address| address.parse().expect("an address")).collect::<Vec<_>>();
        for (found, expected) in [
            (&["169.254.169.254:0", "10.0.0.1:0"][..], Ok(parse(&["10.0.0.1:0"]))),
            (&["[fe80::1]:0"], Err("fe80::1".parse().expect("an address"))),
            (&[], Ok(Vec::new())),
        ] {
            assert_eq!(allowed(parse(found)), expected, "{found:?}");
        }
    }
}
