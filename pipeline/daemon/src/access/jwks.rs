//! An issuer's public keys: JSON Web Key Sets (RFC 7517, 7518 and 8037).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Keys of a set; issuers have a handful, and a token without a key's name is tried with each.
const KEYS_MAX: usize = 64;

/// How a token is signed. `none` and the symmetric ones are not among them: with those anybody who knows a public key, or nothing at
/// all, could make tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            // RFC 9864 gives EdDSA with Ed25519 a name of its own.
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }
}

/// A key that signatures can be checked with.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point of P-256.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// Whether this is its name.
    pub(super) fn is_called(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// Whether a token that names this key, or none, may be signed with it.
    pub(super) fn fits(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        let kind = match self.material {
            Material::Rsa(_) => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        };
        // The key says how it signs, and the token must agree: it does not choose.
        kind == algorithm && (id.is_none() || self.id.as_deref() == id)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature),
            Material::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        }
        .is_ok()
    }
}

/// One key as it stands in a set; what is not needed is passed over.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a set that can be used; those for encryption, of other kinds, or malformed are passed over, as RFC 7517 (5) wants it.
///
/// # Errors
/// A sentence, when it is no set, or none of its keys can be used.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("the key set is not JSON: {error}"))?;
    let list = set["keys"].as_array().ok_or("the key set has no list 'keys'")?;
    if list.len() > KEYS_MAX {
        return Err(format!("the key set has {} keys, more than {KEYS_MAX}", list.len()));
    }
    let keys: Vec<_> = list.iter().filter_map(|jwk| key(Jwk::deserialize(jwk).ok()?)).collect();
    if keys.is_empty() { Err("the key set has no key for RS256, ES256 or EdDSA".to_owned()) } else { Ok(keys) }
}

fn key(jwk: Jwk) -> Option<Key> {
    let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !signs {
        return None;
    }
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    let coordinate = |text: &Option<String>| bytes(text).filter(|bytes| bytes.len() == 32);
    let (algorithm, material) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            // Some issuers write a leading zero, as in DER; ring wants none.
            let number = |text: &Option<String>| {
                let bytes = bytes(text)?;
                let start = bytes.iter().position(|&byte| byte != 0)?;
                Some(bytes[start..].to_vec())
            };
            (Algorithm::Rs256, Material::Rsa(RsaPublicKeyComponents { n: number(&jwk.n)?, e: number(&jwk.e)? }))
        }
        ("EC", Some("P-256")) => {
            (Algorithm::Es256, Material::P256([vec![4], coordinate(&jwk.x)?, coordinate(&jwk.y)?].concat()))
        }
        ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, Material::Ed25519(coordinate(&jwk.x)?)),
        _ => return None,
    };
    if jwk.alg.is_some_and(|alg| Algorithm::from_word(&alg) != Some(algorithm)) {
        return None;
    }
    Some(Key { id: jwk.kid, material })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8037, A.4: an Ed25519 signature over a compact token.
    const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const SIGNATURE: &str = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    #[test]
    fn a_signature_of_the_specification_is_verified() {
        let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{ED25519_X}","kid":"a","use":"sig"}}]}}"#);
        let keys = parse(set.as_bytes()).expect("a set");
        let signature = URL_SAFE_NO_PAD.decode(SIGNATURE).expect("base64");
        assert!(keys[0].verifies(SIGNED.as_bytes(), &signature));
        assert!(!keys[0].verifies(b"something else", &signature) && !keys[0].verifies(SIGNED.as_bytes(), b""));
        for (id, algorithm, fits) in [
            (Some("a"), Algorithm::EdDsa, true),
            (None, Algorithm::EdDsa, true),
            (Some("b"), Algorithm::EdDsa, false),
            (Some("a"), Algorithm::Rs256, false),
        ] {
            assert_eq!(keys[0].fits(id, algorithm), fits, "{id:?} {algorithm:?}");
        }
    }

    #[test]
    fn keys_that_do_not_sign_what_we_take_are_passed_over() {
        let good = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED25519_X}"}}"#);
        for other in [
            r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
            r#"{"kty":"RSA","n":"AQAB"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-521","x":"AQAB","y":"AQAB"}"#.to_owned(),
            r#"{"kty":7}"#.to_owned(),
            "null".to_owned(),
            good.replace("}", r#","use":"enc"}"#),
            good.replace("}", r#","key_ops":["sign"]}"#),
            good.replace("}", r#","alg":"HS256"}"#),
        ] {
            let set = format!(r#"{{"keys":[{other},{good}]}}"#);
            assert_eq!(parse(set.as_bytes()).map(|keys| keys.len()), Ok(1), "{other}");
            assert!(parse(format!(r#"{{"keys":[{other}]}}"#).as_bytes()).is_err(), "{other}");
        }
        for wrong in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let many = vec![good; KEYS_MAX + 1].join(",");
        assert!(parse(format!(r#"{{"keys":[{many}]}}"#).as_bytes()).is_err());
    }
}
