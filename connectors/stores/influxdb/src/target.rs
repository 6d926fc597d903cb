//! Addresses and authorization of each version.

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Client, RequestBuilder, Url};

use crate::error::InfluxError;
use crate::options::{InfluxOptions, InfluxVersion, Pace};

/// Where to write, and how.
#[derive(Debug)]
pub(crate) struct Target {
    client: Client,
    version: InfluxVersion,
    write: Url,
    /// Makes the database; 1.x only.
    create: Option<Url>,
    headers: HeaderMap,
    user: Option<(String, String)>,
}

impl InfluxOptions {
    /// Whether there could be such a store. Nothing is asked.
    ///
    /// # Errors
    /// When an address or something required is missing or wrong.
    pub fn check(&self) -> Result<(), InfluxError> {
        Target::new(self, &Pace::default()).map(drop)
    }
}

impl Target {
    /// Checks what is configured.
    ///
    /// # Errors
    /// When an address or something required is missing or wrong.
    pub(crate) fn new(options: &InfluxOptions, pace: &Pace) -> Result<Target, InfluxError> {
        let wrong = |reason: String| InfluxError::Url { url: shown(&options.url), reason };
        let base = Url::parse(&options.url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong("it is neither http nor https".to_owned()));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("it must not have a query".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("it must not have a user in it; use the keys username and password".to_owned()));
        }
        if options.bucket.is_empty() {
            return Err(InfluxError::Missing {
                what: "bucket",
                why: "it names the bucket, or the database on 1.x and 3",
            });
        }
        if options.version == InfluxVersion::V2 && options.org.is_empty() {
            return Err(InfluxError::Missing { what: "org", why: "InfluxDB 2 needs the organization's name" });
        }
        let mut client = Client::builder()
            .timeout(pace.request)
            .connect_timeout(pace.request)
            .redirect(reqwest::redirect::Policy::none());
        if base.scheme() == "http" {
            // Without this the machine's certificates are read, which fails where there are none, for nothing.
            client = client.tls_certs_only([]);
        }
        Ok(Target {
            client: client.build().map_err(InfluxError::Client)?,
            version: options.version,
            write: write_url(&base, options),
            create: (options.version == InfluxVersion::V1).then(|| create_url(&base, options)),
            headers: headers(options)?,
            user: (options.version == InfluxVersion::V1 && !options.username.is_empty())
                .then(|| (options.username.clone(), options.password.clone())),
        })
    }

    pub(crate) fn version(&self) -> InfluxVersion {
        self.version
    }

    /// A request that writes a compressed body.
    pub(crate) fn write(&self, body: bytes::Bytes) -> RequestBuilder {
        self.request(&self.write)
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(CONTENT_ENCODING, "gzip")
            .body(body)
    }

    /// A request that makes the database, where that is ours to do.
    pub(crate) fn create(&self) -> Option<RequestBuilder> {
        self.create.as_ref().map(|url| self.request(url))
    }

    fn request(&self, url: &Url) -> RequestBuilder {
        let request = self.client.post(url.clone()).headers(self.headers.clone());
        match &self.user {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }
}

/// An address as an error may show it: without a query, and not at all where a user may stand in it, since nobody can say where the password
/// begins and ends in what is not an address.
fn shown(url: &str) -> String {
    if url.contains('@') {
        return "…".to_owned();
    }
    match url.split_once(['?', '#']) {
        Some((before, _)) => format!("{before}…"),
        None => url.to_owned(),
    }
}

fn write_url(base: &Url, options: &InfluxOptions) -> Url {
    match options.version {
        InfluxVersion::V1 => {
            let (database, policy) = database(options);
            // 1.6 takes any precision it does not know as nanoseconds, silently; "n" is the word that all of 1.x know.
            let mut url = with_path(base, "write", &[("db", database), ("precision", "n")]);
            if let Some(policy) = policy {
                url.query_pairs_mut().append_pair("rp", policy);
            }
            url
        }
        InfluxVersion::V2 => {
            with_path(base, "api/v2/write", &[("org", &options.org), ("bucket", &options.bucket), ("precision", "ns")])
        }
        InfluxVersion::V3 => with_path(
            base,
            "api/v3/write_lp",
            &[("db", &options.bucket), ("precision", "nanosecond"), ("accept_partial", "true")],
        ),
    }
}

fn create_url(base: &Url, options: &InfluxOptions) -> Url {
    let quoted = database(options).0.replace('\\', "\\\\").replace('"', "\\\"");
    with_path(base, "query", &[("q", &format!("CREATE DATABASE \"{quoted}\""))])
}

/// `database/retention_policy`
fn database(options: &InfluxOptions) -> (&str, Option<&str>) {
    match options.bucket.split_once('/') {
        Some((database, policy)) => (database, Some(policy)),
        None => (&options.bucket, None),
    }
}

fn with_path(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.query_pairs_mut().extend_pairs(query);
    url
}

fn headers(options: &InfluxOptions) -> Result<HeaderMap, InfluxError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("flyball/", env!("CARGO_PKG_VERSION"))));
    if !options.token.is_empty() {
        let scheme = if options.version == InfluxVersion::V2 { "Token" } else { "Bearer" };
        let mut value =
            HeaderValue::from_str(&format!("{scheme} {}", options.token)).map_err(|_| InfluxError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(version: InfluxVersion, url: &str, bucket: &str) -> InfluxOptions {
        InfluxOptions {
            name: "i".into(),
            url: url.into(),
            version,
            org: "o & o".into(),
            bucket: bucket.into(),
            token: String::new(),
            username: String::new(),
            password: String::new(),
            write: Vec::new(),
            spool_dir: "".into(),
            spool_bytes_max: 0,
        }
    }

    #[test]
    fn each_version_has_its_address() {
        for (version, url, bucket, expected) in [
            (InfluxVersion::V1, "http://h:1", "d", "http://h:1/write?db=d&precision=n"),
            (InfluxVersion::V1, "http://h:1/vm/", "d/two weeks", "http://h:1/vm/write?db=d&precision=n&rp=two+weeks"),
            (InfluxVersion::V2, "http://h:1/", "b", "http://h:1/api/v2/write?org=o+%26+o&bucket=b&precision=ns"),
            (
                InfluxVersion::V3,
                "https://h",
                "d",
                "https://h/api/v3/write_lp?db=d&precision=nanosecond&accept_partial=true",
            ),
        ] {
            let options = options(version, url, bucket);
            assert_eq!(write_url(&Url::parse(url).expect("an address"), &options).as_str(), expected);
        }
        let create =
            create_url(&Url::parse("http://h").expect("an address"), &options(InfluxVersion::V1, "", "a\"b/rp"));
        assert_eq!(create.as_str(), "http://h/query?q=CREATE+DATABASE+%22a%5C%22b%22");
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_write() {
        let pace = Pace::default();
        for (options, expected) in [
            (options(InfluxVersion::V1, "ftp://h", "b"), "http://HOST:PORT"),
            (options(InfluxVersion::V1, "localhost", "b"), "http://HOST:PORT"),
            (options(InfluxVersion::V1, "http://h?db=x", "b"), "query"),
            (options(InfluxVersion::V1, "http://u:p@h", "b"), "username and password"),
            (options(InfluxVersion::V1, "http://h", ""), "bucket is missing"),
            (InfluxOptions { org: String::new(), ..options(InfluxVersion::V2, "http://h", "b") }, "org is missing"),
            (InfluxOptions { token: "a\n".into(), ..options(InfluxVersion::V2, "http://h", "b") }, "line break"),
        ] {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let error = Target::new(&options, &pace).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_error_repeats_a_user_a_password_or_a_query() {
        for url in [
            "http://sekretU:sekretP@127.0.0.1:1/?q=sekretQ",
            "http://sekretU:sekretP@127.0.0.1:1",
            "http://sekretU:sekretP@127.0.0.1:99999",
            "http://sekretU:sekretP?sekretQ@127.0.0.1:1",
            "ftp://sekretU@h",
            "sekretU:sekretP@h:1",
            "http://127.0.0.1:1/?q=sekretQ",
            "http://127.0.0.1:99999/?q=sekretQ",
            "http://127.0.0.1:1/#sekretQ",
        ] {
            let error = Target::new(&options(InfluxVersion::V1, url, "b"), &Pace::default()).expect_err("refused");
            assert!(!format!("{error} {error:?}").contains("sekret"), "{error}");
        }
    }
}
