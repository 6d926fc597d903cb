//! Addresses that a webhook has no business with: see [`flyball_model::guard`].

use std::io;
use std::net::{IpAddr, SocketAddr};

use flyball_model::guard;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The refused address that a URL names, if it names one; such a URL is never looked up.
pub(crate) fn refused_in(url: &Url) -> Option<IpAddr> {
    guard::refused_host(url.host_str()?)
}

/// Looks names up, and leaves out the addresses that are refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(guard::allowed(found).map_err(refused)?.into_iter()) as Addrs)
        })
    }
}

fn refused(address: IpAddr) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "the name stands for {address}, a link-local or metadata address; set allow_link_local: true on the backend if that is meant"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_name_that_is_refused_is_told_with_what_permits_it() {
        let error = refused("fe80::1".parse().expect("an address")).to_string();
        assert!(error.contains("fe80::1") && error.contains("allow_link_local"), "{error}");
    }
}
