//! Pages of other sites that try to use flyball through somebody's browser.
//!
//! A browser sends what any page asks it to send, also to 127.0.0.1 and also with the password that its user typed once; it only
//! keeps the answer from the page. There is no CORS here, so no other site's page has business with flyball. And a page can be served
//! under a name that is pointed at 127.0.0.1 afterwards (DNS rebinding); for the browser they are one site then.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};

/// Why a request is not taken, if it comes from a page of another site. `local`: everybody on this machine may come in without a
/// token, so the name by which flyball was called must be one of this machine.
pub(super) fn refuses(method: &Method, uri: &Uri, headers: &HeaderMap, local: bool) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() {
        return Some("the request has more than one Host header");
    }
    // In HTTP/2 the authority stands in the URL.
    let host = uri.authority().map(Authority::as_str).or(host);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match header("sec-fetch-site") {
        Some("same-origin" | "none") => {}
        // Following a link changes nothing, and its answer can't be framed.
        Some(_) if header("sec-fetch-mode") == Some("navigate") && matches!(*method, Method::GET | Method::HEAD) => {}
        Some(_) => return Some("the request comes from a page of another site"),
        // Older browsers, and those that were told http: they still say which page it is when it writes.
        None => {
            if let Some(origin) = headers.get(ORIGIN) {
                let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
                if origin.is_none() || !same(origin, host) {
                    return Some("the request comes from a page of another site");
                }
            }
        }
    }
    if local && host.is_some_and(|host| !is_of_this_machine(host)) {
        return Some(
            "flyball is open to this machine only, and the Host header names another one; \
             set http.tokens, or let the proxy send Host: 127.0.0.1",
        );
    }
    None
}

fn same(origin: Option<&str>, host: Option<&str>) -> bool {
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Whether a name can't have been pointed here by somebody else: an address, or a name without a dot, which public DNS has none of.
fn is_of_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    let name = name.strip_suffix('.').unwrap_or(name);
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, headers: &[(&'static str, &str)], local: bool, taken: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        let found = refuses(&method, &Uri::from_static("/api/v1/sql"), &map, local);
        assert_eq!(found.is_none(), taken, "{method} {headers:?} local: {local}: {found:?}");
    }

    #[test]
    fn pages_of_other_sites_are_refused_and_programs_are_not() {
        let host = ("host", "127.0.0.1:8480");
        for (method, headers, taken) in [
            (Method::POST, vec![], true),
            (Method::POST, vec![host], true),
            (Method::POST, vec![host, ("sec-fetch-site", "same-origin"), ("origin", "https://proxy.example")], true),
            (Method::GET, vec![host, ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], true),
            (Method::GET, vec![host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true),
            (Method::POST, vec![host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false),
            (Method::GET, vec![host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], false),
            (Method::POST, vec![host, ("sec-fetch-site", "same-site")], false),
            (Method::POST, vec![host, ("origin", "http://127.0.0.1:8480")], true),
            (Method::POST, vec![host, ("origin", "http://127.0.0.1:9090")], false),
            (Method::POST, vec![host, ("origin", "https://evil.example")], false),
            (Method::POST, vec![host, ("origin", "null")], false),
            (Method::POST, vec![("origin", "http://127.0.0.1:8480")], false),
            (Method::POST, vec![host, host], false),
        ] {
            check(method, &headers, false, taken);
        }
    }

    #[test]
    fn a_machine_that_is_open_to_itself_is_called_by_its_own_names() {
        for (host, taken) in [
            ("127.0.0.1:8480", true),
            ("[::1]:8480", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("flyball.localhost", true),
            ("edge-7:8480", true),
            ("10.0.0.7", true),
            ("evil.example", false),
            ("evil.example:8480", false),
            ("127.0.0.1.evil.example", false),
            ("a b", false),
        ] {
            check(Method::GET, &[("host", host)], true, taken);
            check(Method::GET, &[("host", host)], false, true);
        }
        let uri = Uri::from_static("http://evil.example/metrics");
        assert!(refuses(&Method::GET, &uri, &HeaderMap::new(), true).is_some(), "HTTP/2 has it in the URL");
    }
}
