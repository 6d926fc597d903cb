//! Who may come in.
//!
//! | file | holds |
//! |---|---|
//! | `table` | which path needs which scope |
//! | `layer` | what stands before every path |
//! | `credentials` | where clients put a token |
//! | `tokens`, `digest` | tokens of the configuration, hashed |
//! | `oidc`, `jwks`, `jwt` | tokens that an issuer signs |
//! | `browser` | pages of other sites |
//! | `headers` | what browsers are told |
//! | `refresh` | certificates, tokens and keys that change |

mod browser;
mod credentials;
mod digest;
mod headers;
mod jwks;
mod jwt;
mod layer;
mod oidc;
mod refresh;
mod scope;
mod table;
#[cfg(test)]
mod testing;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use flyball_model::Clock;
use flyball_receivers::gate::{Denied, DeniedKind, Gate};
use http::HeaderMap;
use parking_lot::RwLock;
use tokio::sync::Notify;

pub(crate) use digest::Digest;
pub(crate) use jwt::Claims;
pub(crate) use layer::guarded;
pub(crate) use refresh::refresh;
pub(crate) use scope::{Scope, Scopes};
pub(crate) use table::receiver_at;
pub(crate) use tokens::{NOT_VISIBLE, is_visible};

use self::credentials::Shown;
use self::oidc::Issuer;
use self::table::Need;
use self::tokens::Tokens;
use crate::config::{Http, Oidc};

/// Judges who may do what.
#[derive(Debug)]
pub(crate) struct Access {
    tokens: RwLock<Arc<Known>>,
    /// The tokens were replaced.
    replaced: Notify,
    denials: [AtomicU64; 3],
}

/// The tokens that a configuration says are good.
#[derive(Debug)]
pub(crate) struct Known {
    tokens: Tokens,
    oidc: Option<Oidc>,
    issuer: Option<Arc<Issuer>>,
}

impl Known {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A line for each problem.
    pub(crate) fn load(http: &Http, clock: &Arc<dyn Clock>) -> Result<Self, Vec<String>> {
        let tokens = Tokens::load(&http.tokens);
        let issuer = http.oidc.as_ref().map(|oidc| Issuer::new(oidc, Arc::clone(clock)).map(Arc::new)).transpose();
        match (tokens, issuer) {
            (Ok(tokens), Ok(issuer)) => Ok(Self { tokens, oidc: http.oidc.clone(), issuer }),
            (tokens, issuer) => Err(tokens.err().into_iter().flatten().chain(issuer.err()).collect()),
        }
    }

    /// Whether nobody has to show anything.
    fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.issuer.is_none()
    }
}

impl Access {
    pub(crate) fn new(known: Known) -> Self {
        Self { tokens: RwLock::new(Arc::new(known)), replaced: Notify::new(), denials: Default::default() }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.tokens.read())
    }

    /// Knows other tokens from here on. An issuer that stays the same keeps its keys.
    pub(crate) fn replace(&self, mut new: Known) {
        let mut known = self.tokens.write();
        if new.oidc == known.oidc {
            new.issuer.clone_from(&known.issuer);
        }
        *known = Arc::new(new);
        self.replaced.notify_one();
    }

    /// Whether nobody has to show anything. (A certificate is shown to the port, before there is a request.)
    pub(crate) fn is_open(&self) -> bool {
        self.known().is_open()
    }

    /// How many were denied, by why.
    pub(crate) fn denials(&self) -> [(&'static str, u64); 3] {
        let count = |kind: DeniedKind| self.denials[kind as usize].load(Ordering::Relaxed);
        [
            ("unknown", count(DeniedKind::Unknown)),
            ("forbidden", count(DeniedKind::Forbidden)),
            ("unavailable", count(DeniedKind::Unavailable)),
        ]
    }

    /// What the sender of these headers may do, which is what needs that, too. `query` is looked at for a token where it is given.
    async fn check(&self, headers: &HeaderMap, query: Option<&str>, need: Need) -> Result<Scopes, Denied> {
        let result = self.judge(headers, query, need).await;
        if let Err(denied) = &result {
            self.denials[denied.kind as usize].fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    async fn judge(&self, headers: &HeaderMap, query: Option<&str>, need: Need) -> Result<Scopes, Denied> {
        let known = self.known();
        if known.is_open() {
            return Ok(Scopes::from_iter(Scope::ALL));
        }
        if need == Need::Nothing {
            return Ok(Scopes::default());
        }
        let scopes = known.identify(headers, query).await?;
        match need {
            Need::Nothing | Need::Known => Ok(scopes),
            Need::Any(wanted) if scopes.has_any(wanted) => Ok(scopes),
            Need::Any(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|scope| scope.as_str()).collect();
                let message = format!("this needs the scope {}; the token has: {scopes}", wanted.join(" or "));
                Err(Denied::new(DeniedKind::Forbidden, message))
            }
        }
    }
}

impl Known {
    /// What the sender of these headers may do.
    async fn identify(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Scopes, Denied> {
        let shown = match credentials::shown(headers, query) {
            Shown::Tokens(shown) => shown,
            Shown::Nothing => return Err(Denied::new(DeniedKind::Unknown, "no token was shown")),
            Shown::Unreadable(why) => return Err(Denied::new(DeniedKind::Unknown, why)),
        };
        if let Some(scopes) = shown.iter().find_map(|token| self.tokens.find(token)) {
            return Ok(scopes);
        }
        match (&self.issuer, shown.iter().find(|token| jwt::looks_like(token))) {
            (Some(issuer), Some(token)) => issuer.judge(token).await,
            _ => Err(Denied::new(DeniedKind::Unknown, "the token is not known")),
        }
    }
}

#[async_trait]
impl Gate for Access {
    async fn may_write(&self, headers: &HeaderMap) -> Result<(), Denied> {
        self.check(headers, None, Need::Any(&[Scope::Write])).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
