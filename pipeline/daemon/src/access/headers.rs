//! What browsers are told about our answers.

use std::sync::LazyLock;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use sha2::{Digest, Sha256};

use crate::api::PAGE;

/// For answers that are no page: whatever a browser takes them for, nothing in them may run or load.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// For the page: its own script and style, known by their hashes, and requests to where it came from.
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hashes(PAGE, "script"),
        hashes(PAGE, "style"),
    );
    HeaderValue::try_from(policy).unwrap_or(NOTHING)
});

/// The hashes of a page's inline elements of a kind, as CSP 3 writes them (2.3.1).
fn hashes(page: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let inline = page.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    let hashes: Vec<_> =
        inline.map(|(text, _)| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))).collect();
    if hashes.is_empty() { "'none'".to_owned() } else { hashes.join(" ") }
}

/// Adds what browsers must know. What an answer says of itself stays.
pub(super) fn secure(response: &mut Response, is_page: bool) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, if is_page { PAGE_POLICY.clone() } else { NOTHING });
    // What a token lets one see must not be in a cache for who has none.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_runs_its_own_script_and_nothing_else() {
        let policy = PAGE_POLICY.to_str().expect("ASCII");
        assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        // A hash allows the element that it is of; attributes that hold scripts or styles would need more.
        assert!(
            !PAGE.contains(" style=") && !PAGE.contains(" onclick=") && !PAGE.contains("src="),
            "the page holds more"
        );
        // `printf 'a' | openssl dgst -sha256 -binary | base64`
        assert_eq!(hashes("<p><style>a</style>", "style"), "'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='");
        assert_eq!(hashes("<p>", "style"), "'none'");
    }
}
