//! Signatures as Standard Webhooks 1.0.0 has them: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
//!
//! The header is a list, so that a consumer who checks with any one key is content. Two cases use it: the replacement of
//! a secret by another, and a secret without the prefix `whsec_`. The reference libraries decode the latter as base64, while
//! others take its bytes as they stand; where both readings are possible there is a signature for each.

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::WebhookError;

const PREFIX: &str = "whsec_";

/// Base64 as the reference libraries take it: padded or not, and whatever the last bits are that belong to no byte.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The keys of a webhook; none when its events are unsigned.
#[derive(Clone, Default)]
pub(crate) struct Keys(Vec<Hmac<Sha256>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

impl Keys {
    /// Reads the secrets of a configuration, separated by blanks.
    pub(crate) fn parse(backend: &str, secret: &str) -> Result<Self, WebhookError> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for secret in secret.split_whitespace() {
            let decoded =
                LENIENT.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).ok().filter(|key| !key.is_empty());
            if !secret.starts_with(PREFIX) {
                keys.push(secret.as_bytes().to_vec());
            } else if decoded.is_none() {
                return Err(WebhookError::Secret { backend: backend.to_owned() });
            }
            keys.extend(decoded);
        }
        if keys.is_empty() {
            return Err(WebhookError::EmptySecret { backend: backend.to_owned() });
        }
        let keyed = |key: &Vec<u8>| Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Ok(Self(keys.iter().map(keyed).collect()))
    }

    /// The value of `webhook-signature`, or nothing without a key. `timestamp` in seconds.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let head = format!("{id}.{timestamp}.");
        let signatures: Vec<String> = self
            .0
            .iter()
            .map(|key| {
                let mac = key.clone().chain_update(head.as_bytes()).chain_update(body);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            })
            .collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference libraries' own tests (id, timestamp, body, secret and signature).
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(secret: &str) -> String {
        Keys::parse("ops", secret).expect("a good secret").sign(ID, TIMESTAMP, BODY).expect("signed")
    }

    #[test]
    fn the_reference_libraries_example_gives_its_signature() {
        assert_eq!(sign(&format!("whsec_{SECRET}")), SIGNATURE);
    }

    #[test]
    fn a_secret_without_the_prefix_is_signed_in_both_readings() {
        let signed = sign(SECRET);
        let (as_bytes, as_base64) = signed.split_once(' ').expect("two signatures");
        assert_eq!(as_base64, SIGNATURE);
        assert_eq!(as_bytes, sign(&format!("whsec_{}", STANDARD.encode(SECRET))));
        assert_eq!(sign("p@ssphrase").split(' ').count(), 1, "only bytes are possible");
    }

    #[test]
    fn each_of_several_secrets_gives_a_signature() {
        let signed = sign(&format!("whsec_b2xkIHNlY3JldA== whsec_{SECRET}"));
        assert_eq!(signed.split(' ').count(), 2);
        assert!(signed.ends_with(SIGNATURE), "{signed}");
    }

    #[test]
    fn padding_may_be_left_out_and_spare_bits_may_be_set() {
        assert_eq!(sign("whsec_c2VjcmV0MQ=="), sign("whsec_c2VjcmV0MQ"));
        assert_eq!(sign("whsec_c2VjcmV0MQ"), sign("whsec_c2VjcmV0MR"), "two bits that no byte needs");
    }

    #[test]
    fn a_secret_that_signs_nothing_is_refused_and_not_repeated() {
        for (secret, word) in [("", "empty"), ("  ", "empty"), ("whsec_", "base64"), ("whsec_geheim!", "base64")] {
            let error = Keys::parse("ops", secret).expect_err(secret).to_string();
            assert!(error.contains(word) && !error.contains("geheim"), "{error}");
        }
        assert_eq!(format!("{:?}", Keys::parse("ops", SECRET).expect("good")), "2 keys");
    }
}
