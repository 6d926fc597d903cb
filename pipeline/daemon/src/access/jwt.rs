//! JSON Web Tokens (RFC 7515 and 7519), taken apart and judged. The signature is checked before a claim is read.
//!
//! ring verifies, which is in the program for TLS anyway. The crate for JWT would bring a second implementation of every algorithm,
//! and what it does beyond this file is to sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::jwks::{Algorithm, Key};
use super::scope::{Scope, Scopes};

/// How far the issuer's clock may be from ours.
const LEEWAY_SECS: f64 = 30.0;

/// A token in its three parts.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    pub(super) algorithm: Algorithm,
    /// The key that it says it is signed with.
    pub(super) key: Option<String>,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It names none of the keys, or names no key and none of them signed it. With keys that its issuer made since, it may be good.
    Signer,
    /// Something that no other keys would change.
    Other(&'static str),
}

impl Flaw {
    /// A sentence without anything of the token.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Flaw::Signer => NOT_SIGNED,
            Flaw::Other(why) => why,
        }
    }
}

const NOT_SIGNED: &str = "its signature is not one of its issuer's";

/// What a token's claims must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// `iss`.
    pub(crate) issuer: String,
    /// One of these must be among `aud`.
    pub(crate) audience: Vec<String>,
    /// The claim with the scopes; a path where it has dots.
    pub(crate) scopes_claim: String,
    /// What stands before a scope.
    pub(crate) scope_prefix: String,
}

/// Whether a text may be a token of this kind: three parts, of which the first begins like an encoded `{"`.
pub(super) fn looks_like(token: &str) -> bool {
    token.starts_with("ey") && token.bytes().filter(|&byte| byte == b'.').count() == 2
}

impl<'a> Jwt<'a> {
    /// # Errors
    /// A sentence without anything of the token.
    pub(super) fn parse(token: &'a str) -> Result<Self, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("it has not three parts")?;
        let (header, claims) = signed.split_once('.').ok_or("it has not three parts")?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of it is not base64 for URLs");
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| "its header is not JSON with an 'alg'")?;
        if header.crit.is_some() {
            return Err("its header has critical extensions, and none is known here");
        }
        let algorithm =
            Algorithm::from_word(&header.alg).ok_or("it is signed by another algorithm than RS256, ES256 and EdDSA")?;
        Ok(Self { algorithm, key: header.kid, signed, claims, signature: decode(signature)? })
    }

    /// What the token allows, if one of the keys signed it and its claims are as they must be. `now` is in seconds.
    ///
    /// # Errors
    /// When it is not good, or can't be with these keys.
    pub(super) fn verify(&self, keys: &[Key], claims: &Claims, now: f64) -> Result<Scopes, Flaw> {
        let mut fitting = keys.iter().filter(|key| key.fits(self.key.as_deref(), self.algorithm));
        if !fitting.any(|key| key.verifies(self.signed.as_bytes(), &self.signature)) {
            let is_known = self.key.as_ref().is_some_and(|id| keys.iter().any(|key| key.is_called(id)));
            return Err(if is_known { Flaw::Other(NOT_SIGNED) } else { Flaw::Signer });
        }
        let bytes =
            URL_SAFE_NO_PAD.decode(self.claims).map_err(|_| Flaw::Other("a part of it is not base64 for URLs"))?;
        let found: Value = serde_json::from_slice(&bytes).map_err(|_| Flaw::Other("its claims are not JSON"))?;
        claims.check(&found, now).map_err(Flaw::Other)
    }
}

impl Claims {
    fn check(&self, found: &Value, now: f64) -> Result<Scopes, &'static str> {
        let at = |name: &str| match &found[name] {
            Value::Null => Ok(None),
            value => value.as_f64().map(Some).ok_or("one of its times is not a number"),
        };
        if found["iss"] != *self.issuer {
            return Err("it is of another issuer than http.oidc.issuer");
        }
        let meant =
            |value: &Value| value.as_str().is_some_and(|value| self.audience.iter().any(|known| known == value));
        let for_us = match &found["aud"] {
            Value::Array(list) => list.iter().any(meant),
            one => meant(one),
        };
        if !for_us {
            return Err("it is for another audience than http.oidc.audience");
        }
        // Written so that a NaN, which JSON can't hold anyway, would be refused.
        let alive = at("exp")?.ok_or("it has no time of expiry")? + LEEWAY_SECS > now;
        if !alive {
            return Err("it has expired");
        }
        let begun = at("nbf")?.is_none_or(|from| from - LEEWAY_SECS <= now);
        if !begun {
            return Err("it is not valid yet");
        }
        Ok(self.scopes(found))
    }

    /// The scopes: words in a text as in OAuth (RFC 8693, 4.2), or a list.
    fn scopes(&self, found: &Value) -> Scopes {
        let claim = match found.get(&self.scopes_claim) {
            Some(claim) => Some(claim),
            None => self.scopes_claim.split('.').try_fold(found, |value, name| value.get(name)),
        };
        let words: Vec<&str> = match claim {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        words.into_iter().filter_map(|word| Scope::from_word(word.strip_prefix(&*self.scope_prefix)?)).collect()
    }
}

#[cfg(test)]
mod tests;
