//! The Kubernetes API server, reached as configured.

use std::path::Path;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Response, Url};
use serde::Deserialize;

use super::super::super::client::{Client, collect};
use super::super::super::options::{Auth, HttpOptions, Pem, Secret, TlsOptions};
use super::KubernetesApi;
use super::kubeconfig;

/// Where a pod finds who it is.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The namespace where nothing names one.
const DEFAULT_NAMESPACE: &str = "default";

/// Bytes of a refusal that are read, for its message.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Where the API is, and who we are there.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) server: String,
    pub(super) http: HttpOptions,
    pub(super) namespace: Option<String>,
}

/// A connection to an API server.
pub(super) struct Api {
    client: Client,
    server: Url,
    namespace: String,
}

/// Why the API did not answer with what was asked for.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The version that was asked from is too old: list again.
    Gone,
    Other(String),
}

impl Api {
    /// Reads what says where the server is; connects to nobody yet.
    pub(super) async fn open(options: &KubernetesApi) -> Result<Self, String> {
        let options = options.clone();
        let read = tokio::task::spawn_blocking(move || access(&options));
        let Access { server, http, namespace } = read.await.map_err(|error| error.to_string())??;
        let server = Url::parse(&server).map_err(|error| format!("'{server}' is not a URL: {error}"))?;
        let client =
            Client::new(&http, server.scheme() == "https", server.host_str()).map_err(|error| error.to_string())?;
        Ok(Self { client, server, namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()) })
    }

    /// The namespace that is our own.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Asks for a path of the API.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Response, ApiError> {
        let mut url = self.server.clone();
        url.set_path(&format!("{}/{path}", self.server.path().trim_end_matches('/')));
        url.query_pairs_mut().extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let response = self.client.get(&url, headers).await.map_err(ApiError::Other)?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::GONE => Err(ApiError::Gone),
            status => {
                let body = collect(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
                let said = serde_json::from_slice::<Status>(&body).map(|status| status.message).unwrap_or_default();
                Err(ApiError::Other(format!("GET /{path}: HTTP status {status}: {said}")))
            }
        }
    }
}

/// Kubernetes' answer when it refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) message: String,
}

fn access(options: &KubernetesApi) -> Result<Access, String> {
    match options {
        KubernetesApi::Server { url, http } => {
            Ok(Access { server: url.clone(), http: (**http).clone(), namespace: None })
        }
        KubernetesApi::Kubeconfig(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            kubeconfig::access(&name, &text, path.parent().unwrap_or(Path::new(".")))
        }
        KubernetesApi::InCluster { server: None } => {
            Err("this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set); set \
             api_server or kubeconfig"
                .to_owned())
        }
        KubernetesApi::InCluster { server: Some(server) } => {
            let folder = Path::new(SERVICE_ACCOUNT);
            let ca = Some(Pem::File(folder.join("ca.crt")));
            let auth = Auth::Bearer(Secret::File(folder.join("token")));
            let http = HttpOptions { tls: TlsOptions { ca, ..TlsOptions::default() }, auth, ..HttpOptions::default() };
            let namespace = std::fs::read_to_string(folder.join("namespace")).ok();
            let namespace = namespace.map(|name| name.trim().to_owned());
            Ok(Access { server: server.clone(), http, namespace })
        }
    }
}
