//! One HTTP request to a target or to a discovery, with TLS and authorization.

use flyball_model::explain;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::HOST;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Identity, RequestBuilder, Response, Url};
use tokio::sync::OnceCell;

use super::options::{Auth, HttpOptions, Pem, Secret, TlsOptions};
use super::redirect::{self, GUARDED, REDIRECTS_MAX};

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
    options: Arc<HttpOptions>,
    server_name: Option<Arc<str>>,
    /// For redirects to other origins, `http` and `https`, where we are nobody; made when first needed.
    guests: Arc<[OnceCell<reqwest::Client>; 2]>,
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
        let TlsOptions { cert, key, server_name, .. } = &options.tls;
        let mut http = builder(&options.tls, https)?;
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
        Ok(Self {
            http: build(http)?,
            options: Arc::new(options.clone()),
            server_name: server_name.map(Arc::from),
            guests: Arc::default(),
        })
    }

    /// What a GET with our authorization answers, after the redirects that are followed.
    ///
    /// # Errors
    /// A sentence, when there is no answer, a secret's file can't be read, or redirects lead to where they must not.
    pub(super) async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Response, String> {
        let (mut at, mut is_guest) = (url.clone(), false);
        for _ in 0..=REDIRECTS_MAX {
            let request = if is_guest { self.guest(&at).await?.get(at.clone()) } else { self.ours(&at).await? };
            let sent = request.headers(headers.clone()).send().await;
            let response = sent.map_err(|error| explain(&error.without_url()))?;
            if !self.options.follow_redirects {
                return Ok(response);
            }
            let Some(to) = redirect::next(&at, &response)? else { return Ok(response) };
            // Never ours again: what is asked for then is of somebody else's choice.
            is_guest |= to.origin() != url.origin();
            if is_guest {
                redirect::check(&to)?;
            }
            at = to;
        }
        Err(format!("redirected more than {REDIRECTS_MAX} times"))
    }

    /// The client for a URL to which we were sent.
    async fn guest(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let https = url.scheme() == "https";
        let made = self.guests[usize::from(https)].get_or_try_init(|| async {
            let options = Arc::clone(&self.options);
            let made = tokio::task::spawn_blocking(move || {
                build(builder(&options.tls, https)?.dns_resolver(Arc::new(GUARDED)))
            });
            made.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        });
        made.await
    }

    /// A GET with our authorization.
    async fn ours(&self, url: &Url) -> Result<RequestBuilder, String> {
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
        Ok(match &self.options.auth {
            Auth::None => request,
            Auth::Basic { username, password } => request.basic_auth(username, Some(reveal(password).await?)),
            Auth::Bearer(token) => request.bearer_auth(reveal(token).await?),
        })
    }
}

/// What all clients of these options have in common; nothing of who we are.
fn builder(options: &TlsOptions, https: bool) -> Result<ClientBuilder, ClientError> {
    let http = reqwest::Client::builder()
        .user_agent(concat!("flyball/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // The environment is the daemon's to read, and targets are near: a proxy would see what we say who we are.
        .no_proxy()
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .redirect(Policy::none())
        .tls_danger_accept_invalid_certs(options.insecure_skip_verify);
    Ok(if let Some(ca) = &options.ca {
        let certificates = Certificate::from_pem_bundle(&read(ca, "tls.ca")?).map_err(|error| pem("tls.ca", &error))?;
        http.tls_certs_only(certificates)
    } else if !https || options.insecure_skip_verify {
        http.tls_certs_only([])
    } else {
        http
    })
}

fn build(http: ClientBuilder) -> Result<reqwest::Client, ClientError> {
    http.build().map_err(|error| ClientError::Build(explain(&error)))
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
mod tests;
