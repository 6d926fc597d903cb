//! Where a server sends flyball that was asked for something.
//!
//! A server that is configured may be anywhere. Where it sends us is its own word only: whoever took it over, or stands between, could send
//! us to the cloud's metadata service, with our token. So another origin gets nothing of what says who we are, nor may it be an address
//! that [`flyball_model::guard`] refuses, whether it is written in the redirect or found in the look-up of the connection itself.

use std::net::IpAddr;

use flyball_client::{GuardedResolver, refused_in};
use http::StatusCode;
use http::header::LOCATION;
use reqwest::{Response, Url};

/// Redirects that are followed, as many as Prometheus follows.
pub(super) const REDIRECTS_MAX: usize = 10;

/// Where an answer sends us; `None` where it is the answer.
///
/// # Errors
/// A sentence, when that is nowhere.
pub(super) fn next(from: &Url, response: &Response) -> Result<Option<Url>, String> {
    use StatusCode as S;
    let status = response.status();
    let redirects = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
    let Some(location) = response.headers().get(LOCATION).filter(|_| redirects.contains(&status)) else {
        return Ok(None);
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let to = from.join(&location).map_err(|error| format!("redirected to what is no URL: {error}"))?;
    match to.scheme() {
        "http" | "https" => Ok(Some(to)),
        scheme => Err(format!("redirected to a URL of the scheme '{scheme}', which is not followed")),
    }
}

/// # Errors
/// A sentence, when nobody may send us there.
pub(super) fn check(to: &Url) -> Result<(), String> {
    match refused_in(to) {
        Some(address) => Err(format!("redirected to {address}, {REFUSED}")),
        None => Ok(()),
    }
}

const REFUSED: &str = "a link-local or metadata address, to which redirects are not followed; make it a target of its own if that is meant";

/// Looks up names to which we were redirected.
pub(super) const GUARDED: GuardedResolver = GuardedResolver(refused);

fn refused(address: IpAddr) -> String {
    format!("redirected to a name that stands for {address}, {REFUSED}")
}
