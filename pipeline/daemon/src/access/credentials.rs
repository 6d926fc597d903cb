//! What a request shows: the places where clients put a token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Bytes of what may be shown; the largest real ones are JWTs of a few kilobytes.
const SHOWN_BYTES_MAX: usize = 16 * 1024;

/// What was found.
#[derive(PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing.
    Nothing,
    /// Something that no token can be taken from; the words say what.
    Unreadable(&'static str),
    /// Texts, any of which may be the token.
    Tokens(Vec<String>),
}

/// Looks for a token.
///
/// | who | shows |
/// |---|---|
/// | OpenTelemetry, Prometheus, curl | `Authorization: Bearer TOKEN` |
/// | clients of InfluxDB 2 and 3 | `Authorization: Token TOKEN`, and for a server of 1.8 `Token USER:PASSWORD` |
/// | Grafana, browsers, clients of InfluxDB 1 | `Authorization: Basic base64(USER:TOKEN)` |
/// | clients of InfluxDB 1 | `?u=USER&p=TOKEN`, where `in_query` allows it |
pub(super) fn shown(headers: &HeaderMap, in_query: Option<&str>) -> Shown {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return match in_query.and_then(password) {
            Some(token) => Shown::Tokens(vec![token]),
            None => Shown::Nothing,
        };
    };
    if values.next().is_some() {
        return Shown::Unreadable("there is more than one Authorization header");
    }
    let Some(value) = value.to_str().ok().filter(|value| value.len() <= SHOWN_BYTES_MAX) else {
        return Shown::Unreadable("the Authorization header is not ASCII, or is too long");
    };
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Shown::Unreadable("the Authorization header has no token after its first word");
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        Shown::Tokens(vec![rest.to_owned()])
    } else if scheme.eq_ignore_ascii_case("token") {
        let after = rest.split_once(':').map(|(_, password)| password.to_owned());
        Shown::Tokens([rest.to_owned()].into_iter().chain(after).collect())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((_, password)) if !password.is_empty() => Shown::Tokens(vec![password.to_owned()]),
            Some(_) => Shown::Unreadable("the password of the Authorization header is empty; the token goes there"),
            None => Shown::Unreadable("the Authorization header is not base64 of USER:PASSWORD"),
        }
    } else {
        Shown::Unreadable("the Authorization header is neither Bearer, Token nor Basic")
    }
}

/// The parameter `p` of a query.
fn password(query: &str) -> Option<String> {
    if query.len() > SHOWN_BYTES_MAX {
        return None;
    }
    let (_, password) =
        form_urlencoded::parse(query.as_bytes()).find(|(key, value)| key == "p" && !value.is_empty())?;
    Some(password.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], query: Option<&str>, expected: Result<&[&str], &str>) {
        let headers = values.iter().map(|value| (AUTHORIZATION, value.parse().expect("a header's value"))).collect();
        match (shown(&headers, query), expected) {
            (Shown::Tokens(found), Ok(tokens)) => assert_eq!(found, tokens, "{values:?}"),
            (Shown::Nothing, Ok([])) => {}
            (Shown::Unreadable(found), Err(words)) => assert!(found.contains(words), "{values:?}: {found}"),
            _ => panic!("{values:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_token_is_found_wherever_a_client_puts_it() {
        check(&[], None, Ok(&[]));
        check(&["Bearer abc"], None, Ok(&["abc"]));
        check(&["bearer   a.b.c "], None, Ok(&["a.b.c"]));
        check(&["Token abc=="], None, Ok(&["abc=="]));
        check(&["Token user:pass:word"], None, Ok(&["user:pass:word", "pass:word"]));
        check(&["Basic dTphYmM="], None, Ok(&["abc"]));
        check(&["Basic OmFiYzpk"], None, Ok(&["abc:d"]));
        check(&[], Some("db=x&u=me&p=a%20b"), Ok(&["a b"]));
        check(&[], Some("db=x&u=me&p="), Ok(&[]));
        check(&["Bearer abc"], Some("p=other"), Ok(&["abc"]));
    }

    #[test]
    fn what_can_not_be_read_says_why_and_never_what() {
        check(&["Bearer a", "Bearer a"], None, Err("more than one"));
        check(&["Bearer"], None, Err("no token after"));
        check(&["Bearer  "], None, Err("no token after"));
        check(&["Digest username=x"], None, Err("neither Bearer"));
        check(&["Basic !"], None, Err("not base64"));
        check(&["Basic dXNlcg=="], None, Err("not base64 of USER:PASSWORD"));
        check(&["Basic dXNlcjo="], None, Err("is empty"));
        check(&[&format!("Bearer {}", "a".repeat(SHOWN_BYTES_MAX))], None, Err("too long"));
    }
}
