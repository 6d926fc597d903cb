//! Addresses that a webhook has no business with.
//!
//! Whoever may write the configuration, or a name server that it trusts, could make flyball ask the cloud's metadata service, which
//! gives credentials to whoever asks from within. It is reached by link-local addresses, so these are refused, by the connection's
//! own look-up, so that a name can't change between a check and its use. Loopback and private networks are where webhooks live on
//! premises, and stay allowed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services beside the link-local one: Alibaba Cloud's, Azure's agent.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// The same in IPv6: AWS's, Google's.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Whether an address is link-local or a metadata service's, in whatever form of IPv6 an IPv4 address may stand.
pub(crate) fn is_refused(address: IpAddr) -> bool {
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

/// The refused address that a URL names, if it names one; such a URL is never looked up.
pub(crate) fn refused_in(url: &Url) -> Option<IpAddr> {
    let address: IpAddr = url.host_str()?.trim_matches(['[', ']']).parse().ok()?;
    is_refused(address).then_some(address)
}

/// Looks names up, and leaves out the addresses that are refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(allowed(found)?.into_iter()) as Addrs)
        })
    }
}

fn allowed(found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let (refused, allowed): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| is_refused(address.ip()));
    match refused.first() {
        Some(first) if allowed.is_empty() => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "the name stands for {}, a link-local or metadata address; set allow_link_local: true on the backend if that is meant",
                first.ip()
            ),
        )),
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
            assert_eq!(is_refused(address.parse().expect("an address")), refused, "{address}");
        }
    }

    #[test]
    fn a_url_is_refused_however_it_writes_the_address() {
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://169.16689662/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://user@169.254.169.254:80/",
            "http://169。254。169。254/",
        ] {
            let url = Url::parse(url).expect("a URL");
            assert!(refused_in(&url).is_some(), "{url}");
        }
        for url in ["http://169.254.169.254.example/", "http://127.0.0.1/", "https://ops.example/"] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(refused_in(&url), None, "{url}");
        }
    }

    #[test]
    fn of_several_addresses_the_others_are_left() {
        let parse = |list: &[&str]| list.iter().map(|address| address.parse().expect("an address")).collect::<Vec<_>>();
        let both = parse(&["169.254.169.254:0", "10.0.0.1:0"]);
        assert_eq!(allowed(both).expect("one is left"), parse(&["10.0.0.1:0"]));
        let error = allowed(parse(&["[fe80::1]:0"])).expect_err("none is left").to_string();
        assert!(error.contains("fe80::1") && error.contains("allow_link_local"), "{error}");
        assert_eq!(allowed(Vec::new()).expect("nothing was found"), []);
    }
}
