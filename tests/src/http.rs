//! Plain HTTP requests, without `async`.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
});

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    // reqwest wants a provider even for clients that never see TLS; a second install is refused, and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .no_proxy()
        .build()
        .expect("a client without options that can fail")
});

/// The runtime that all tests share.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// The client that all tests share.
pub fn client() -> &'static reqwest::Client {
    &CLIENT
}

/// Waits for a future, on the runtime that all tests share.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// A server, by its base URL.
#[derive(Debug, Clone)]
pub struct Http {
    base: String,
    /// Where the client of all tests does not do.
    client: Option<reqwest::Client>,
    token: Option<String>,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Http {
    /// The server at `host:port`.
    pub fn at(address: &str) -> Self {
        Self { base: format!("http://{address}"), client: None, token: None }
    }

    /// The same server over TLS. `identity` is our certificate and its key, in PEM.
    ///
    /// # Panics
    /// When the PEM can't be used.
    #[track_caller]
    pub fn over_tls(&self, ca_pem: &[u8], identity: Option<&[u8]>) -> Self {
        LazyLock::force(&CLIENT);
        let roots = reqwest::Certificate::from_pem_bundle(ca_pem).expect("certificates in PEM");
        let mut client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().tls_certs_only(roots);
        if let Some(pem) = identity {
            client = client.identity(reqwest::Identity::from_pem(pem).expect("a certificate and a key in PEM"));
        }
        let client = client.build().expect("a client");
        Self { base: self.base.replace("http://", "https://"), client: Some(client), ..self.clone() }
    }

    /// The same server, shown a token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.base.split_once("://").map_or(&self.base, |(_, address)| address)
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let client = self.client.as_ref().unwrap_or(&CLIENT);
        let request = client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// # Errors
    /// When no answer comes.
    pub fn try_get(&self, path: &str) -> Result<Answer, String> {
        send(self.request(reqwest::Method::GET, path))
    }

    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {}{path}: {error}", self.base))
    }

    /// # Errors
    /// When no answer comes.
    pub fn try_post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Result<Answer, String> {
        let mut request = self.request(reqwest::Method::POST, path).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request)
    }

    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        self.try_post(path, headers, body).unwrap_or_else(|error| panic!("POST {}{path}: {error}", self.base))
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The same answer, for going on.
    ///
    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

fn send(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    block_on(async {
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        // The programs under test are ours or the test's own, and each of their answers is small.
        let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
        Ok(Answer { status, headers, body: body.to_vec() })
    })
}
