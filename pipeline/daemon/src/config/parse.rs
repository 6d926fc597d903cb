//! Scalars of the configuration: sizes, addresses, URLs. Each error names the form that is wanted.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use flyball_log::Durability;
use flyball_yaml::parse_duration;

/// A duration above zero.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err(format!("'{text}' is not longer than zero")),
        duration => Ok(duration),
    }
}

/// `1024`, `64KiB`, `64MiB`, `1GiB`; `kB`, `MB` and `GB` are powers of ten.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("'{text}' is not a size; write 4096, 64KiB, 64MiB or 1GiB");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let unit: usize = match text[digits..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|&size| size > 0).ok_or_else(wrong)
}

/// A whole number above zero.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| format!("'{text}' is not a whole number above zero"))
}

/// What an acknowledgement promises.
pub(crate) fn durability(text: &str) -> Result<Durability, String> {
    let known = [Durability::Fsync, Durability::Flush, Durability::Memory];
    known.into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
        format!(
            "'{text}' is not fsync (survives a power cut), flush (survives the death of flyball) or memory (survives nothing)"
        )
    })
}

/// `true` or `false`.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    // YAML has True and TRUE too.
    text.to_ascii_lowercase().parse().map_err(|_| format!("'{text}' is neither true nor false"))
}

/// An address with a port; a host name is looked up.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(|| {
        format!("'{text}' is not an address with a port; write 127.0.0.1:8480, or port 0 for a free one")
    })
}

/// Any text but the empty one.
pub(crate) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// The name of an HTTP header, in lower case.
pub(crate) fn header_name(text: &str) -> Result<String, String> {
    match http::HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(format!("'{text}' is not the name of an HTTP header; write X-Scope-OrgID")),
    }
}

/// An `http` or `https` URL.
pub(crate) fn url(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
        // A user's password or a service's token may stand in one that is nearly right.
        _ if text.contains(['@', '?', '%']) => {
            Err("this is not a URL; write http://host:port/path or https://…".to_owned())
        }
        _ => Err(format!("'{text}' is not a URL; write http://host:port/path or https://…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_or_say_how_to_write_them() {
        assert_eq!(positive_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(positive_duration("0s").is_err() && positive_duration("30").is_err());
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("1GB"), Ok(1_000_000_000));
        assert!(bytes("much").is_err() && bytes("0").is_err() && bytes("18446744073709551615GiB").is_err());
        assert_eq!(truth("True"), Ok(true));
        assert_eq!(header_name("X-Scope-OrgID"), Ok("x-scope-orgid".to_owned()));
        assert!(header_name("not a header").is_err() && header_name("").is_err());
        assert!(
            truth("yes").is_err()
                && count("0").is_err()
                && url("host:80").is_err()
                && !url("u:secret@h").unwrap_err().contains("secret")
                && address("host").is_err()
        );
    }
}
