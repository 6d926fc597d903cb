//! One HTTP request to a target or to a discovery, with TLS and authorization.

use flyball_model::explain;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::HOST;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, RequestBuilder, Response, Url};

use super::options::{Auth, HttpOptions, Pem, Secret, TlsOptions};

/// Redirects that are followed, as many as Prometheus follows.
const REDIRECTS_MAX: usize = 10;

/// Idle connections that are kept a host: a scrape is one request.
const IDLE_CONNECTIONS_MAX: usize = 1;

/// How long opening a connection may take where the request itself may last: a watch.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A secret's file is at most this long.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A client and who it says we are. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    auth: Arc<Auth>,
    server_name: Option<Arc<str>>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("{what} {path} can't be read: {source}")]
    File { what: &'static str, path: String, source: std::io::Error },
    #[error("{what} is no PEM text that can be used: {problem}")]
    Pem { what: &'static str, problem: String },
    #[error("a client certificate needs both cert and key")]
    HalfIdentity,
    #[error("the HTTP client can't be made: {0}")]
    Build(String),
}

impl Client {
    /// A client for one scheme, and for one host where certificates must have another name than the address (`server_name`).
    ///
    /// Reads files. The machine's own certificates are read for `https` only: where there are none that fails.
    pub(super) fn new(options: &HttpOptions, https: bool, host: Option<&str>) -> Result<Self, ClientError> {
        let TlsOptions { ca, cert, key, server_name, insecure_skip_verify } = &options.tls;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("flyball/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // The environment is the daemon's to read, and targets are near: a proxy would see what we say who we are.
            .no_proxy()
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .redirect(if options.follow_redirects { Policy::limited(REDIRECTS_MAX) } else { Policy::none() });
        if let Some(ca) = ca {
            let certificates =
                Certificate::from_pem_bundle(&read(ca, "tls.ca")?).map_err(|error| pem("tls.ca", &error))?;
            http = http.tls_certs_only(certificates);
        } else if !https || *insecure_skip_verify {
            http = http.tls_certs_only([]);
        }
        match (cert, key) {
            (Some(cert), Some(key)) => {
                let mut both = read(cert, "tls.cert")?;
                both.push(b'\n');
                both.extend(read(key, "tls.key")?);
                http = http.identity(Identity::from_pem(&both).map_err(|error| pem("tls.cert with tls.key", &error))?);
            }
            (None, None) => {}
            _ => return Err(ClientError::HalfIdentity),
        }
        let server_name = server_name.as_deref().filter(|_| host.is_some());
        if let (Some(_), Some(host)) = (server_name, host) {
            http = http.dns_resolver(Arc::new(Pinned { host: host.into() }));
        }
        let http = http
            .tls_danger_accept_invalid_certs(*insecure_skip_verify)
            .build()
            .map_err(|error| ClientError::Build(explain(&error)))?;
        Ok(Self { http, auth: Arc::new(options.auth.clone()), server_name: server_name.map(Arc::from) })
    }

    /// A GET with our authorization.
    ///
    /// # Errors
    /// A sentence, when a secret's file can't be read.
    pub(super) async fn get(&self, url: &Url) -> Result<RequestBuilder, String> {
        let mut url = url.clone();
        let mut host = None;
        if let Some(name) = &self.server_name
            && url.scheme() == "https"
        {
            // The connection goes to the same host, see `Pinned`; what TLS asks for and checks is this name.
            host = Some(authority(&url));
            url.set_host(Some(name)).map_err(|error| format!("server_name '{name}' is no host's name: {error}"))?;
        }
        let mut request = self.http.get(url);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        Ok(match &*self.auth {
            Auth::None => request,
            Auth::Basic { username, password } => request.basic_auth(username, Some(reveal(password).await?)),
            Auth::Bearer(token) => request.bearer_auth(reveal(token).await?),
        })
    }
}

/// `host:port`, or the host where the port is the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Looks up one host whatever it is asked for, so that a connection to it can be made under another name.
struct Pinned {
    host: String,
}

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.host.trim_matches(['[', ']']).to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn read(pem: &Pem, what: &'static str) -> Result<Vec<u8>, ClientError> {
    match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => {
            std::fs::read(path).map_err(|source| ClientError::File { what, path: path.display().to_string(), source })
        }
    }
}

fn pem(what: &'static str, error: &reqwest::Error) -> ClientError {
    ClientError::Pem { what, problem: explain(error) }
}

async fn reveal(secret: &Secret) -> Result<String, String> {
    match secret {
        Secret::Text(text) => Ok(text.clone()),
        Secret::File(path) => {
            let wrong = |problem: String| format!("the secret in {} can't be read: {problem}", path.display());
            let bytes = tokio::fs::metadata(path).await.map_err(|error| wrong(error.to_string()))?.len();
            if bytes > SECRET_BYTES_MAX {
                return Err(wrong(format!("the file is longer than {SECRET_BYTES_MAX} bytes")));
            }
            let text = tokio::fs::read_to_string(path).await.map_err(|error| wrong(error.to_string()))?;
            Ok(text.trim().to_owned())
        }
    }
}

/// A whole answer, at most `bytes_max` long.
///
/// # Errors
/// A sentence, when it is longer or breaks off.
pub(super) async fn collect(mut response: Response, bytes_max: usize) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(format!("the answer is longer than {bytes_max} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_of_the_environment_stands_between() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for https in [false, true] {
            let client = Client::new(&HttpOptions::default(), https, None).expect("no files are named");
            assert!(!format!("{client:?}").contains("proxies"), "{client:?}");
        }
    }
}
