//! The HTTP client of the commands that ask a running server.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity};
use serde_json::Value;

/// Who we are for the server, and who it is for us.
#[derive(Debug, Clone, Args)]
pub(crate) struct Credentials {
    /// A token of the server, where it asks for one; better in the environment, where other users don't see it
    #[arg(long, global = true, env = "FLYBALL_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
    /// Certificates (PEM) that are trusted for https in place of the system's
    #[arg(long, global = true, value_name = "FILE", env = "FLYBALL_CA")]
    ca: Option<PathBuf>,
    /// Our certificate (PEM), where the server asks for one
    #[arg(long, global = true, value_name = "FILE", env = "FLYBALL_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "FLYBALL_KEY", requires = "cert")]
    key: Option<PathBuf>,
}

/// A text that is not shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Credentials {
    /// A client that shows them. It follows no redirects, which could lead the token elsewhere.
    ///
    /// # Errors
    /// When a file can't be used, or the token can't stand in a header.
    pub(crate) fn client(&self) -> anyhow::Result<reqwest::Client> {
        let mut headers = HeaderMap::new();
        if let Some(Secret(token)) = self.token.as_ref().filter(|Secret(token)| !token.trim().is_empty()) {
            let value = HeaderValue::try_from(format!("Bearer {}", token.trim()));
            let mut value = value.ok().context("--token (FLYBALL_TOKEN) has characters that a header can't hold")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut client = reqwest::Client::builder().default_headers(headers).redirect(Policy::none());
        if let Some(ca) = &self.ca {
            let certificates = Certificate::from_pem_bundle(&read("--ca", ca)?);
            let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
            let certificates = certificates.with_context(|| format!("--ca: {} holds no certificate", ca.display()))?;
            client = client.tls_certs_only(certificates);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let mut both = read("--cert", cert)?;
            both.push(b'\n');
            both.extend(read("--key", key)?);
            client = client.identity(Identity::from_pem(&both).ok().context("--cert with --key can't be used")?);
        }
        client.build().context("no HTTP client can be made")
    }
}

fn read(option: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{option}: {} can't be read", path.display()))
}

/// Asks and returns the body of a 2xx answer.
///
/// # Errors
/// When nobody answers, or with the server's own message and hint.
pub(crate) async fn ask(request: reqwest::RequestBuilder, url: &str) -> anyhow::Result<Bytes> {
    open(request, url).await?.bytes().await.context("the answer broke off")
}

/// The error that an answer tells.
async fn refused(response: reqwest::Response, url: &str) -> anyhow::Error {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    told(status, &body, url)
}

/// The error that the body of an answer tells.
pub(crate) fn told(status: reqwest::StatusCode, body: &[u8], url: &str) -> anyhow::Error {
    let error = serde_json::from_slice::<Value>(body).unwrap_or_default();
    match (error["error"]["message"].as_str(), error["error"]["hint"].as_str()) {
        (Some(message), _) if status == reqwest::StatusCode::UNAUTHORIZED => {
            anyhow!("{message}\nhint: set FLYBALL_TOKEN, or --token, to a token of {url}")
        }
        (Some(message), Some(hint)) if !hint.is_empty() => anyhow!("{message}\nhint: {hint}"),
        (Some(message), _) => anyhow!("{message}"),
        _ if status == reqwest::StatusCode::NOT_FOUND => anyhow!(
            "{url} answers, and has no API of flyball (404)\nhint: --url is http.listen's address, as the line 'flyball ready http=…' has it"
        ),
        _ => anyhow!("{url} answered {status}: {}", String::from_utf8_lossy(body)),
    }
}

/// Asks, and returns a 2xx answer of which the body is still to come.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn open(request: reqwest::RequestBuilder, url: &str) -> anyhow::Result<reqwest::Response> {
    let response = request.send().await.map_err(|error| unanswered(url, error))?;
    if response.status().is_success() { Ok(response) } else { Err(refused(response, url).await) }
}

/// What is said when no answer came.
pub(crate) fn unanswered(url: &str, error: reqwest::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    let said = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    if said.contains("invalid peer certificate") {
        return error.context(format!("the certificate of {url} is not trusted; name who signed it with --ca FILE"));
    }
    if said.contains("CertificateRequired") {
        return error.context(format!("{url} asks for a certificate; show one with --cert FILE and --key FILE"));
    }
    error.context(format!("no flyball answers at {url}; start one with `flyball serve`, or name another with --url"))
}

/// `url` with `path` below it.
pub(crate) fn at(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let credentials = Credentials { token: Some(Secret("tok-secret".to_owned())), ca: None, cert: None, key: None };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = credentials.client().expect("a client");
        assert!(!format!("{credentials:?} {client:?}").contains("tok-secret"), "{credentials:?} {client:?}");
        let bad = Credentials { token: Some(Secret("tok\nsecret".to_owned())), ..credentials };
        let error = format!("{:#}", bad.client().expect_err("no header can hold it"));
        assert!(error.contains("FLYBALL_TOKEN") && !error.contains("secret"), "{error}");
    }
}
