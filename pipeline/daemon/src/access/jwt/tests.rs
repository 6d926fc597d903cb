use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::super::jwks;
use super::super::testing::{NOW_SECS, Signer, encoded};
use super::*;

const NOW: f64 = NOW_SECS as f64;

fn claims() -> Claims {
    Claims {
        issuer: "https://id.example/realms/edge".to_owned(),
        audience: vec!["flyball".to_owned(), "flyball-2".to_owned()],
        scopes_claim: "scope".to_owned(),
        scope_prefix: "flyball:".to_owned(),
    }
}

fn good() -> Value {
    json!({"iss": "https://id.example/realms/edge", "aud": "flyball", "exp": NOW + 60.0, "scope": "openid flyball:write"})
}

fn keys_of(signer: &Signer) -> Vec<Key> {
    jwks::parse(signer.set().to_string().as_bytes()).expect("a set")
}

fn judge(token: &str, keys: &[Key]) -> Result<Scopes, &'static str> {
    Jwt::parse(token)?.verify(keys, &claims(), NOW).map_err(Flaw::as_str)
}

fn eddsa() -> Value {
    json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"})
}

#[test]
fn claims_decide_who_comes_in_and_what_it_may() {
    let signer = Signer::new("one");
    let with = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        claims
    };
    let (write, none) = (Ok(Scopes::from_iter([Scope::Write])), Ok(Scopes::default()));
    let (audience, issuer) =
        ("it is for another audience than http.oidc.audience", "it is of another issuer than http.oidc.issuer");
    for (claims, expected) in [
        (good(), write),
        (with("aud", json!(["other", "flyball-2"])), write),
        (with("aud", json!("other")), Err(audience)),
        (with("aud", json!([])), Err(audience)),
        (with("aud", json!(null)), Err(audience)),
        (with("aud", json!({"flyball": 1})), Err(audience)),
        (with("iss", json!("https://id.example/realms/edge/")), Err(issuer)),
        (with("iss", json!(null)), Err(issuer)),
        (with("exp", json!(NOW - 29.0)), write),
        (with("exp", json!(NOW - 31.0)), Err("it has expired")),
        (with("exp", json!(null)), Err("it has no time of expiry")),
        (with("exp", json!("9999999999")), Err("one of its times is not a number")),
        (with("nbf", json!(NOW + 29.0)), write),
        (with("nbf", json!(NOW + 31.0)), Err("it is not valid yet")),
        (with("nbf", json!([])), Err("one of its times is not a number")),
        (
            with("scope", json!(["flyball:write", "flyball:read", 7])),
            Ok(Scopes::from_iter([Scope::Write, Scope::Read])),
        ),
        (with("scope", json!("write read flyball: flyball:root")), none),
        (with("scope", json!(null)), none),
    ] {
        assert_eq!(judge(&signer.sign(&eddsa(), &claims), &keys_of(&signer)), expected, "{claims}");
    }
}

#[test]
fn scopes_may_stand_in_any_claim() {
    let signer = Signer::new("one");
    let mut found = good();
    found["realm_access"] = json!({"roles": ["admin", "read"]});
    found["a.b"] = json!("act");
    for (claim, scopes) in
        [("realm_access.roles", vec![Scope::Admin, Scope::Read]), ("a.b", vec![Scope::Act]), ("a.c", vec![])]
    {
        let claims = Claims { scopes_claim: claim.to_owned(), scope_prefix: String::new(), ..claims() };
        let token = signer.sign(&eddsa(), &found);
        let jwt = Jwt::parse(&token).expect("a token");
        assert_eq!(jwt.verify(&keys_of(&signer), &claims, NOW), Ok(scopes.into_iter().collect()), "{claim}");
    }
}

#[test]
fn what_its_issuer_did_not_sign_is_refused() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let not_signed = Err("its signature is not one of its issuer's");
    let other_algorithm = Err("it is signed by another algorithm than RS256, ES256 and EdDSA");
    let good_token = signer.sign(&eddsa(), &good());
    let (signed, signature) = good_token.rsplit_once('.').expect("three parts");
    let (header, _) = signed.split_once('.').expect("three parts");
    let mut root = good();
    root["scope"] = json!("flyball:admin");
    for (token, expected) in [
        (other.sign(&eddsa(), &good()), not_signed),
        (signer.sign(&json!({"alg": "EdDSA", "kid": "two"}), &good()), not_signed),
        // The key is not one of RSA, whatever the token says.
        (signer.sign(&json!({"alg": "RS256", "kid": "one"}), &good()), not_signed),
        (format!("{header}.{}.{signature}", encoded(&root)), not_signed),
        (format!("{signed}."), not_signed),
        (signer.sign(&json!({"alg": "none"}), &good()), other_algorithm),
        (format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(&root)), other_algorithm),
        (signer.sign(&json!({"alg": "HS256", "kid": "one"}), &good()), other_algorithm),
        (signer.sign(&json!({"alg": "eddsa"}), &good()), other_algorithm),
        (signer.sign(&json!({"kid": "one"}), &good()), Err("its header is not JSON with an 'alg'")),
        (
            signer.sign(&json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}), &good()),
            Err("its header has critical extensions, and none is known here"),
        ),
        (format!("{good_token}="), Err("a part of it is not base64 for URLs")),
        (signer.sign(&eddsa(), &json!("text")), Err("it is of another issuer than http.oidc.issuer")),
    ] {
        assert_eq!(judge(&token, &keys_of(&signer)), expected, "{token}");
    }
    assert!(judge(&good_token, &[]).is_err());
    assert!(judge(&signer.sign(&json!({"alg": "EdDSA"}), &good()), &keys_of(&signer)).is_ok(), "without a key's name");
}

#[test]
fn es256_is_taken_as_a_pair_of_numbers() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("a key");
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]});
    let keys = jwks::parse(set.to_string().as_bytes()).expect("a set");
    let signed = format!("{}.{}", encoded(&json!({"alg": "ES256"})), encoded(&good()));
    let signature = pair.sign(&random, signed.as_bytes()).expect("signed");
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(looks_like(&token) && judge(&token, &keys).is_ok());
}

#[test]
fn a_plain_token_is_not_taken_for_one_of_these() {
    for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0", "ey.a", "ey.a.b.c"] {
        assert!(!looks_like(token), "{token}");
    }
}
