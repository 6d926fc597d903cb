//! What tests of access share: a signer, an issuer that answers over HTTP, and a configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flyball_model::{ManualClock, UnixNanos};
use http::StatusCode;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::digest::Digest;
use super::scope::Scope;
use crate::config::{Http, Oidc, Token, TokenSecret};

/// The second in which all tests happen.
pub(super) const NOW_SECS: i64 = 1_767_225_610;

pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UnixNanos::from_secs(NOW_SECS)))
}

/// A value as a part of a token.
pub(super) fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs with Ed25519.
pub(super) struct Signer {
    pair: Ed25519KeyPair,
    id: &'static str,
}

impl Signer {
    /// A new key, under this name.
    pub(super) fn new(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { pair: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key"), id }
    }

    /// The set that has its key.
    pub(super) fn set(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id}]})
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// A token of an issuer that is good for some minutes.
    pub(super) fn token(&self, issuer: &str, scope: &str) -> String {
        self.sign(&json!({"alg": "EdDSA", "kid": self.id}), &good_claims(issuer, scope))
    }

    /// The same without the key's name.
    pub(super) fn nameless_token(&self, issuer: &str, scope: &str) -> String {
        self.sign(&json!({"alg": "EdDSA"}), &good_claims(issuer, scope))
    }
}

fn good_claims(issuer: &str, scope: &str) -> Value {
    json!({"iss": issuer, "aud": "flyball", "exp": NOW_SECS + 300, "scope": scope})
}

/// An issuer's server. What it answers can be changed.
pub(super) struct Issuing {
    pub(super) url: String,
    /// `None`: it is down.
    pub(super) set: Mutex<Option<Value>>,
    /// What it calls itself, where that is not its URL.
    pub(super) alias: Mutex<Option<String>>,
    fetches: AtomicUsize,
}

impl Issuing {
    pub(super) async fn start(set: Value) -> Arc<Self> {
        // An error means that another test of this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/realm", listener.local_addr().expect("bound"));
        let issuing =
            Arc::new(Self { url, set: Mutex::new(Some(set)), alias: Mutex::default(), fetches: AtomicUsize::new(0) });
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(describe))
            .route("/realm/keys", get(keys))
            .with_state(Arc::clone(&issuing));
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuing
    }

    /// How often its keys were asked for.
    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    pub(super) fn oidc(&self) -> Oidc {
        Oidc {
            issuer: self.url.clone(),
            audience: vec!["flyball".to_owned()],
            jwks_url: None,
            scopes_claim: "scope".to_owned(),
            scope_prefix: String::new(),
            ca: None,
        }
    }
}

async fn describe(State(issuing): State<Arc<Issuing>>) -> Response {
    let name = issuing.alias.lock().clone().unwrap_or_else(|| issuing.url.clone());
    axum::Json(json!({"issuer": name, "jwks_uri": format!("{}/keys", issuing.url)})).into_response()
}

async fn keys(State(issuing): State<Arc<Issuing>>) -> Response {
    issuing.fetches.fetch_add(1, Ordering::Relaxed);
    match issuing.set.lock().clone() {
        Some(set) => axum::Json(set).into_response(),
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// `http:` with tokens.
pub(super) fn http(tokens: &[(&str, &[Scope])]) -> Http {
    let token = |(index, (text, scopes)): (usize, &(&str, &[Scope]))| Token {
        name: format!("token {index}"),
        secret: TokenSecret::Digest(Digest::of(text)),
        scopes: scopes.iter().copied().collect(),
    };
    Http {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        insecure: false,
        tls: None,
        tokens: tokens.iter().enumerate().map(token).collect(),
        oidc: None,
    }
}
