//! Tokens that an issuer of OpenID Connect signs. Its keys are fetched when they are needed first, kept, and looked at again every
//! quarter of an hour, or when a token may be signed by one that is not known yet. While the issuer is down those that are there go on.
//!
//! Only a look at the issuer's keys tells that none of them signed a token. It is not made for each token that anybody may make up, so between
//! two of them the answer is "not now": 401 would have a sender drop what it has, whose token the issuer signed with a new key just now.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use flyball_receivers::gate::{Denied, DeniedKind};
use parking_lot::RwLock;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use super::jwks::{self, Key};
use super::jwt::{Claims, Flaw, Jwt};
use super::scope::Scopes;
use crate::config::Oidc;

/// The time between two looks at the keys, so that one that was withdrawn is not taken for longer.
pub(super) const REFRESH: Duration = Duration::from_secs(15 * 60);

/// Fetches for tokens of unknown keys come no faster: anybody can make them up.
const FETCH_PAUSE: Duration = Duration::from_secs(30);

/// How long a fetch may take: a request waits for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

const ISSUER_DOWN: &str = "the keys of http.oidc.issuer can't be fetched";

/// Bytes of a document of the issuer.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// An issuer and its keys.
pub(super) struct Issuer {
    oidc: Oidc,
    claims: Claims,
    keys_url: Option<Url>,
    clock: Arc<dyn Clock>,
    keys: RwLock<Option<Arc<[Key]>>>,
    /// The last fetch. Held while one is under way, so that there is one at a time.
    last: Mutex<Option<Fetch>>,
    fetch_pause: Duration,
}

struct Fetch {
    /// On the clock that never goes back.
    at: Duration,
    worked: bool,
}

impl Issuer {
    /// # Errors
    /// A sentence, when its keys could not be asked for.
    pub(super) fn new(oidc: &Oidc, clock: Arc<dyn Clock>) -> Result<Self, String> {
        client(oidc)?;
        let url = |text: &String| Url::parse(text).map_err(|error| format!("http.oidc.jwks_url: {error}"));
        Ok(Self {
            claims: oidc.claims(),
            keys_url: oidc.jwks_url.as_ref().map(url).transpose()?,
            oidc: oidc.clone(),
            clock,
            keys: RwLock::default(),
            last: Mutex::default(),
            fetch_pause: FETCH_PAUSE,
        })
    }

    /// What a token allows.
    ///
    /// # Errors
    /// When it is not a good one, or when that can't be said since there are no keys.
    pub(super) async fn judge(&self, token: &str) -> Result<Scopes, Denied> {
        let unknown = |why: &str| Denied::new(DeniedKind::Unknown, format!("the token is not taken: {why}"));
        let jwt = Jwt::parse(token).map_err(unknown)?;
        let known = self.known();
        match self.verify(&jwt, known.as_ref()) {
            Err(Flaw::Signer) => {}
            judged => return judged.map_err(|flaw| unknown(flaw.as_str())),
        }
        let mut last = self.last.lock().await;
        // Whoever had the lock before may have brought the key.
        let brought = self.known().filter(|keys| !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)));
        if brought.is_some() {
            match self.verify(&jwt, brought.as_ref()) {
                Err(Flaw::Signer) => {}
                judged => return judged.map_err(|flaw| unknown(flaw.as_str())),
            }
        }
        let unavailable =
            |why: &str| Denied::new(DeniedKind::Unavailable, format!("the token can't be judged now: {why}"));
        let now = self.clock.monotonic();
        let fetched = match &*last {
            Some(fetch) if now.saturating_sub(fetch.at) < self.fetch_pause => {
                return Err(unavailable(if fetch.worked {
                    "no key of its issuer that is known here signed it, and it is too soon to ask for new ones"
                } else {
                    ISSUER_DOWN
                }));
            }
            _ => self.fetch(&mut last).await,
        };
        drop(last);
        if !fetched {
            return Err(unavailable(ISSUER_DOWN));
        }
        self.verify(&jwt, self.known().as_ref()).map_err(|flaw| match flaw {
            Flaw::Signer if jwt.key.is_some() => unknown("it names a key that its issuer does not have"),
            flaw => unknown(flaw.as_str()),
        })
    }

    /// The keys that were fetched last.
    fn known(&self) -> Option<Arc<[Key]>> {
        self.keys.read().clone()
    }

    fn verify(&self, jwt: &Jwt<'_>, keys: Option<&Arc<[Key]>>) -> Result<Scopes, Flaw> {
        let now = self.clock.now().0 as f64 / 1e9;
        jwt.verify(keys.map_or(&[], |keys| &keys[..]), &self.claims, now)
    }

    /// Looks at the keys again.
    pub(super) async fn refresh(&self) {
        let mut last = self.last.lock().await;
        self.fetch(&mut last).await;
    }

    async fn fetch(&self, last: &mut Option<Fetch>) -> bool {
        let result = self.fetch_keys().await;
        let worked = result.is_ok();
        match result {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), issuer = self.claims.issuer, "keys fetched");
                *self.keys.write() = Some(keys.into());
            }
            Err(problem) => {
                let kept = self.keys.read().is_some();
                tracing::warn!(issuer = self.claims.issuer, problem, kept, "the issuer's keys can't be fetched");
            }
        }
        *last = Some(Fetch { at: self.clock.monotonic(), worked });
        worked
    }

    async fn fetch_keys(&self) -> Result<Vec<Key>, String> {
        // Made anew: the file of http.oidc.ca may be another one by now.
        let oidc = self.oidc.clone();
        let made = tokio::task::spawn_blocking(move || client(&oidc)).await;
        let client = made.map_err(|error| error.to_string())??;
        let url = match &self.keys_url {
            Some(url) => url.clone(),
            None => discover(&client, &self.oidc.issuer).await?,
        };
        jwks::parse(&get(&client, url).await?)
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// A client that trusts whom the configuration says.
///
/// # Errors
/// A sentence, when there can be none.
fn client(oidc: &Oidc) -> Result<Client, String> {
    let mut client = Client::builder()
        .user_agent(concat!("flyball/", env!("CARGO_PKG_VERSION")))
        .timeout(FETCH_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy();
    if let Some(path) = &oidc.ca {
        let wrong = |problem: String| format!("http.oidc.ca: {} {problem}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(format!("can't be read: {error}")))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(format!("can't be used: {error}")))?;
        client = client.tls_certs_only(roots);
    } else if oidc.issuer.starts_with("http:") {
        client = client.tls_certs_only([]);
    }
    client.build().map_err(|error| format!("http.oidc: no HTTP client can be made: {error}"))
}

/// Where the keys are, by OpenID Connect Discovery 1.0.
async fn discover(client: &Client, issuer: &str) -> Result<Url, String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|error| error.to_string())?;
    let secure = url.scheme() == "https";
    let document: Value = serde_json::from_slice(&get(client, url).await?)
        .map_err(|error| format!("the issuer's description is not JSON: {error}"))?;
    if document["issuer"] != *issuer {
        return Err("the description found there is of another issuer".to_owned());
    }
    let text = document["jwks_uri"].as_str().ok_or("the issuer's description has no jwks_uri")?;
    let url = Url::parse(text).map_err(|error| format!("the issuer's jwks_uri is not a URL: {error}"))?;
    if secure && url.scheme() != "https" {
        return Err("the issuer's jwks_uri is not https".to_owned());
    }
    Ok(url)
}

async fn get(client: &Client, url: Url) -> Result<Vec<u8>, String> {
    let place = format!("{}{}", url.host_str().unwrap_or_default(), url.path());
    let wrong = |error: reqwest::Error| format!("{place}: {}", flyball_model::explain(&error.without_url()));
    let mut response = client.get(url).send().await.map_err(wrong)?;
    if !response.status().is_success() {
        return Err(format!("{place} answered {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(wrong)? {
        if body.len() + chunk.len() > DOCUMENT_BYTES_MAX {
            return Err(format!("{place} answered more than {DOCUMENT_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
