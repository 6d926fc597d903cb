//! Addresses that nobody may lead flyball to: see [`flyball_model::guard`].

use std::io;
use std::net::{IpAddr, SocketAddr};

use flyball_model::guard;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The refused address that a URL names, if it names one; such a URL is never looked up.
pub fn refused_in(url: &Url) -> Option<IpAddr> {
    guard::refused_host(url.host_str()?)
}

/// Looks names up, and leaves out the addresses that are refused; says why where no other was found.
#[derive(Debug, Clone, Copy)]
pub struct GuardedResolver(pub fn(IpAddr) -> String);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let why = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = |address| io::Error::new(io::ErrorKind::PermissionDenied, why(address));
            Ok(Box::new(guard::allowed(found).map_err(refused)?.into_iter()) as Addrs)
        })
    }
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
}
