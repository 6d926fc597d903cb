//! What the headers of a request say of its body.

use flyball_model::intake::Encoding;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

use crate::error::RequestError;

/// Characters of a header's value that an error message repeats.
const QUOTED_CHARS_MAX: usize = 100;

/// A `Content-Type` taken apart (RFC 9110, 8.3): `application/x-protobuf; proto=prometheus.WriteRequest`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MediaType<'a> {
    essence: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// From the headers; `None` when there is no readable content type.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        Some(Self { essence: essence.trim(), parameters })
    }

    /// Whether this is `type/subtype`, whatever its case and parameters.
    pub(crate) fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }

    /// A parameter's value, without its quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }
}

/// The one coding that a body went through: `None` for none, `Err` for more than one or an unreadable header.
///
/// `identity` counts as none, and so does an empty value, which some proxies leave behind.
pub(crate) fn content_coding(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        for coding in value.to_str().map_err(|_| ())?.split(',').map(str::trim) {
            if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
                continue;
            }
            if found.replace(coding).is_some() {
                return Err(());
            }
        }
    }
    Ok(found)
}

/// How a body is compressed, where gzip is all that is taken. `x-gzip` is another word for it (RFC 9110, 8.4.1.3).
///
/// # Errors
/// When it is compressed in another way.
pub(crate) fn gzip_or_none(headers: &HeaderMap) -> Result<Encoding, RequestError> {
    match content_coding(headers) {
        Ok(None) => Ok(Encoding::Identity),
        Ok(Some(coding)) if ["gzip", "x-gzip"].iter().any(|known| coding.eq_ignore_ascii_case(known)) => {
            Ok(Encoding::Gzip)
        }
        _ => Err(RequestError::ContentEncoding {
            found: quoted(headers, CONTENT_ENCODING),
            expected: "gzip, or none at all",
        }),
    }
}

/// A header as an error message shows it: `'text/plain'`, or `missing`.
pub(crate) fn quoted(headers: &HeaderMap, name: HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if values.is_empty() {
        return "missing".to_owned();
    }
    format!("'{}'", values.join(", ").chars().take(QUOTED_CHARS_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn media_types_are_compared_without_case_and_parameters() {
        let headers = headers(CONTENT_TYPE, &["Application/X-Protobuf ; charset=x; Proto=\"a.B\""]);
        let media = MediaType::of(&headers).expect("a content type");
        assert!(media.is("application/x-protobuf"));
        assert!(!media.is("application/x-proto"));
        assert_eq!(media.parameter("proto"), Some("a.B"));
        assert_eq!(media.parameter("version"), None);
        assert_eq!(MediaType::of(&HeaderMap::new()), None);
    }

    #[test]
    fn at_most_one_coding_is_found() {
        let coding = |values: &[&'static str]| {
            content_coding(&headers(CONTENT_ENCODING, values)).map(|coding| coding.map(str::to_owned))
        };
        assert_eq!(coding(&[]), Ok(None));
        assert_eq!(coding(&["identity"]), Ok(None));
        assert_eq!(coding(&[""]), Ok(None));
        assert_eq!(coding(&["gzip"]), Ok(Some("gzip".to_owned())));
        assert_eq!(coding(&["identity, gzip"]), Ok(Some("gzip".to_owned())));
        assert_eq!(coding(&["gzip, gzip"]), Err(()));
        assert_eq!(coding(&["gzip", "snappy"]), Err(()));
    }

    #[test]
    fn quoted_headers_are_short() {
        assert_eq!(quoted(&HeaderMap::new(), CONTENT_TYPE), "missing");
        assert_eq!(quoted(&headers(CONTENT_TYPE, &["a/b", "c"]), CONTENT_TYPE), "'a/b, c'");
        let long: &'static str = "x".repeat(1000).leak();
        assert_eq!(quoted(&headers(CONTENT_TYPE, &[long]), CONTENT_TYPE).len(), QUOTED_CHARS_MAX + 2);
    }
}
