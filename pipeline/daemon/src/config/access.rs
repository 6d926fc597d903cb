//! `http.tls`, `http.tokens` and `http.oidc`: who may come in, and how.

use std::collections::HashSet;
use std::path::PathBuf;

use flyball_receivers::net::TlsFiles;
use flyball_yaml::{Fields, Node, Reader};
use reqwest::Url;

use super::read::{list, section};
use super::{Http, parse};
use crate::access::{Claims, Digest, NOT_VISIBLE, Scope, Scopes, is_visible};

/// Tokens shorter than this can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// What a token's text stands under.
const SECRETS: [&str; 3] = ["token", "token_file", "token_sha256"];

/// An entry of `http.tokens`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) secret: TokenSecret,
    pub(crate) scopes: Scopes,
}

/// A token, never as it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenSecret {
    Digest(Digest),
    File(PathBuf),
}

/// `http.oidc`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Oidc {
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) scopes_claim: String,
    pub(crate) scope_prefix: String,
    /// Certificates that are trusted for the issuer, where they are not the system's.
    pub(crate) ca: Option<PathBuf>,
}

impl Oidc {
    /// What its tokens must say.
    pub(crate) fn claims(&self) -> Claims {
        Claims {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            scopes_claim: self.scopes_claim.clone(),
            scope_prefix: self.scope_prefix.clone(),
        }
    }
}

/// Reads the three keys.
pub(super) fn read(reader: &mut Reader, http: Fields<'_>, config: &mut Http) {
    if let Some(node) = http.get("tls") {
        config.tls = read_tls(reader, node);
    }
    for (index, node) in list(reader, http, "tokens").unwrap_or_default().iter().enumerate() {
        if let Some(token) = read_token(reader, node, index, &config.tokens) {
            config.tokens.push(token);
        }
    }
    let keys = ["issuer", "audience", "jwks_url", "scopes_claim", "scope_prefix", "ca"];
    if let Some(oidc) = section(reader, http, "oidc", "http.oidc", &keys) {
        config.oidc = read_oidc(reader, oidc, config.insecure);
    }
    let clear = config.tls.is_none() && !config.listen.ip().is_loopback();
    if clear && (!config.tokens.is_empty() || config.oidc.is_some()) {
        let message = "tokens are sent to http.listen unencrypted; set http.tls unless a proxy in front has it";
        reader.warning(http.node(), message);
    }
}

fn read_tls(reader: &mut Reader, node: &Node) -> Option<TlsFiles> {
    let tls = reader.section(node, "http.tls", &["cert", "key", "client_ca"])?;
    let mut file = |key| match tls.get(key)?.value {
        // As in the form that shows the keys: {cert: , key: , client_ca: }.
        flyball_yaml::Value::Null => None,
        _ => reader.parse(tls, key, |path| parse::text(path).map(PathBuf::from)),
    };
    match ["cert", "key", "client_ca"].map(&mut file) {
        [Some(cert), Some(key), client_ca] => Some(TlsFiles { cert, key, client_ca }),
        [None, None, None] => None,
        _ => {
            reader.error(node, "http.tls needs both 'cert' and 'key'");
            None
        }
    }
}

fn read_token(reader: &mut Reader, node: &Node, index: usize, others: &[Token]) -> Option<Token> {
    let what = format!("http.tokens[{index}]");
    let fields = reader.section(node, &what, &["name", "token", "token_file", "token_sha256", "scopes"])?;
    let name = reader.parse_required(fields, "name", parse::text);
    if others.iter().any(|other| Some(&other.name) == name.as_ref()) {
        reader.error(node, format!("{what} has the name of another token; give each its own"));
    }
    reader.require(fields, "scopes");
    let words = fields.get("scopes").map_or(&[][..], Node::one_or_more);
    let scopes: Scopes = reader
        .parse_nodes(words, "scopes", |word| {
            let all = Scope::ALL.map(Scope::as_str).join(", ");
            Scope::from_word(word).ok_or_else(|| format!("'{word}' is not one of {all}"))
        })
        .into_iter()
        .collect();
    if fields.get("scopes").is_some() && words.is_empty() {
        reader.error(node, format!("{what} has no scopes, so it would allow nothing"));
    }
    let secret = read_secret(reader, fields, &what)?;
    if others.iter().any(|other| other.secret == secret) {
        reader.error(node, format!("{what} is the same token as another one; what it allows would be unclear"));
    }
    (!scopes.is_empty()).then_some(())?;
    Some(Token { name: name?, secret, scopes })
}

/// Reads the one key that holds a token. No message repeats what stands there.
fn read_secret(reader: &mut Reader, fields: Fields<'_>, what: &str) -> Option<TokenSecret> {
    let given: HashSet<_> = SECRETS.into_iter().filter(|key| fields.get(key).is_some()).collect();
    if given.len() != 1 {
        reader.error(fields.node(), format!("{what} needs one of 'token', 'token_file' and 'token_sha256'"));
        return None;
    }
    let mut short = false;
    let text = reader.parse(fields, "token", |token| {
        let token = token.trim();
        short = token.len() < TOKEN_BYTES_MIN;
        if !is_visible(token) {
            return Err(NOT_VISIBLE.to_owned());
        }
        parse::text(token).map(|token| TokenSecret::Digest(Digest::of(&token)))
    });
    if short && text.is_some() {
        let node = fields.get("token").unwrap_or(fields.node());
        let message = format!(
            "{what} is shorter than {TOKEN_BYTES_MIN} characters and can be guessed; openssl rand -hex 32 makes one"
        );
        reader.warning(node, message);
    }
    let file =
        reader.parse(fields, "token_file", |path| parse::text(path).map(|path| TokenSecret::File(PathBuf::from(path))));
    let digest = reader.parse(fields, "token_sha256", |hex| {
        let wrong = "it is not 64 hexadecimal digits; printf %s TOKEN | sha256sum prints them";
        Digest::from_hex(hex).map(TokenSecret::Digest).ok_or_else(|| wrong.to_owned())
    });
    text.or(file).or(digest)
}

fn read_oidc(reader: &mut Reader, fields: Fields<'_>, insecure: bool) -> Option<Oidc> {
    let url = |text: &str| issuer_url(text, insecure);
    let issuer = reader.parse_required(fields, "issuer", url);
    reader.require(fields, "audience");
    let words = fields.get("audience").map_or(&[][..], Node::one_or_more);
    let audience = reader.parse_nodes(words, "audience", parse::text);
    if fields.get("audience").is_some() && words.is_empty() {
        reader.error(fields.node(), "http.oidc needs an 'audience': without it a token for any other service would do");
    }
    let jwks_url = reader.parse(fields, "jwks_url", url);
    let scopes_claim = reader.parse(fields, "scopes_claim", parse::text);
    let scope_prefix = reader.parse(fields, "scope_prefix", |text| Ok(text.to_owned()));
    let ca = reader.parse(fields, "ca", |path| parse::text(path).map(PathBuf::from));
    let issuer = issuer.filter(|_| !audience.is_empty())?;
    Some(Oidc {
        issuer,
        audience,
        jwks_url,
        scopes_claim: scopes_claim.unwrap_or_else(|| "scope".to_owned()),
        scope_prefix: scope_prefix.unwrap_or_default(),
        ca,
    })
}

/// Who can change the keys on their way can make tokens, so they come over TLS, or from this machine.
fn issuer_url(text: &str, insecure: bool) -> Result<String, String> {
    let text = parse::url(text)?;
    let url = Url::parse(&text).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        // It is shown in the log.
        return Err("must not have a user in it".to_owned());
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if url.scheme() == "https" || near || insecure {
        Ok(text)
    } else {
        Err("an issuer beyond this machine is asked over https only, unless http.insecure: true".to_owned())
    }
}

#[cfg(test)]
mod tests;
