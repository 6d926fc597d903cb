//! How connectors ask others over HTTP: one client for backends, and what guards whoever is sent somewhere.

mod guard;

pub use guard::{GuardedResolver, refused_in};

use std::net::IpAddr;
use std::sync::Arc;

use flyball_model::{explain, refusal};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

/// Bytes of a refusal's body that are read, for the reason.
const ANSWER_BYTES_MAX: usize = 1024;

/// Connections to a backend that are kept open while idle. What it gets mostly comes one after the other.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The program has not chosen its cryptography yet.
    #[error("no rustls crypto provider is installed; install one before any backend is made")]
    NoCryptoProvider,
    /// It can't be made, for example because the system has no CA certificates.
    #[error("the HTTP client can't be made: {0}")]
    Build(String),
}

/// The client of a backend. It follows no redirect, which would carry credentials to a place nobody configured, uses no proxy of the
/// environment, and tries nothing again by itself. Unless `allow_link_local`, names lead to no [refused](refused_in) address.
///
/// # Errors
/// Why there is none.
pub fn backend_client(url: &Url, headers: HeaderMap, allow_link_local: bool) -> Result<Client, ClientError> {
    // reqwest panics without one, for http too.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(ClientError::NoCryptoProvider);
    }
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .default_headers(headers)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .user_agent(concat!("flyball/", env!("CARGO_PKG_VERSION")));
    if !allow_link_local {
        builder = builder.dns_resolver(Arc::new(GuardedResolver(refused)));
    }
    if url.scheme() == "http" {
        // Spares reading the system's certificates, and works on a machine that has none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| ClientError::Build(explain(&error)))
}

fn refused(address: IpAddr) -> String {
    format!(
        "the name stands for {address}, a link-local or metadata address; set allow_link_local: true on the backend if that is meant"
    )
}

/// What a backend said when it refused: its status and the start of its answer. What can't be read is left out, since the status alone decides.
pub async fn reason(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - body.len())]);
    }
    refusal(response.status(), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_refused_is_told_with_what_permits_it() {
        let text = refused("fe80::1".parse().expect("an address"));
        assert!(text.contains("fe80::1") && text.contains("allow_link_local"), "{text}");
    }
}
