//! A Kubernetes API server with its etcd; nothing runs what is written into it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::need;
use crate::flyball::temp_dir;
use crate::http::block_on;
use crate::ports::free_port;
use crate::process::{Process, run};
use crate::time::wait_until;

/// The user who may do all.
const ADMIN: &str = "admin";

/// A real API server on loopback.
#[derive(Debug)]
pub struct Kubernetes {
    /// `https://127.0.0.1:port`.
    pub url: String,
    /// The certificates that its own is signed with.
    pub ca: PathBuf,
    client: reqwest::Client,
    _apiserver: Process,
    _etcd: Process,
    _dir: TempDir,
}

impl Kubernetes {
    /// A token that may do all.
    pub const TOKEN: &str = ADMIN;

    /// Starts both.
    ///
    /// # Panics
    /// When they are not ready in time.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let etcd = need("etcd", "etcd 3.6")?;
        let apiserver = need("kube-apiserver", "Kubernetes 1.36")?;
        let openssl = need("openssl", "apt-get install openssl")?;
        let dir = temp_dir();
        let path = |name: &str| dir.path().join(name);
        let made = run(Command::new(openssl).arg("genrsa").arg("-out").arg(path("sa.key")).arg("2048"));
        assert!(made.status.success(), "{}", made.stderr);
        std::fs::write(path("tokens.csv"), format!("{ADMIN},{ADMIN},1,system:masters\n"))
            .expect("the folder can be written");

        let (clients, peers) =
            (format!("http://127.0.0.1:{}", free_port()), format!("http://127.0.0.1:{}", free_port()));
        let mut command = Command::new(etcd);
        command.arg("--data-dir").arg(path("etcd")).arg("--unsafe-no-fsync");
        for (flag, value) in [
            ("--listen-client-urls", clients.clone()),
            ("--advertise-client-urls", clients.clone()),
            ("--listen-peer-urls", peers.clone()),
            ("--initial-advertise-peer-urls", peers.clone()),
            ("--initial-cluster", format!("default={peers}")),
        ] {
            command.arg(flag).arg(value);
        }
        let etcd = Process::start("etcd", &mut command);

        let port = free_port();
        let mut command = Command::new(apiserver);
        command.args(["--etcd-servers", &clients, "--secure-port", &port.to_string(), "--bind-address", "127.0.0.1"]);
        command.args(["--service-account-issuer", "https://test", "--service-cluster-ip-range", "10.0.0.0/24"]);
        command.args(["--authorization-mode", "RBAC", "--disable-admission-plugins", "ServiceAccount"]);
        for (flag, file) in [
            ("--cert-dir", "certs"),
            ("--service-account-key-file", "sa.key"),
            ("--service-account-signing-key-file", "sa.key"),
            ("--token-auth-file", "tokens.csv"),
        ] {
            command.arg(flag).arg(path(file));
        }
        let mut apiserver = Process::start("kube-apiserver", &mut command);
        // A second install is refused, and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .tls_danger_accept_invalid_certs(true)
            .build()
            .expect("a client that trusts everybody");
        let url = format!("https://127.0.0.1:{port}");
        wait_until("kube-apiserver", Duration::from_secs(60), || {
            apiserver.still_runs();
            let ready = block_on(async { client.get(format!("{url}/readyz")).bearer_auth(ADMIN).send().await });
            match ready {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(format!("{error:?}")),
            }
        });
        let ca = path("certs").join("apiserver.crt");
        Some(Self { url, ca, client, _apiserver: apiserver, _etcd: etcd, _dir: dir })
    }

    /// Makes an object.
    ///
    /// # Panics
    /// When the server does not take it.
    #[track_caller]
    pub fn create(&self, path: &str, object: &Value) {
        self.send(self.client.post(self.at(path)).json(object));
    }

    /// Merges into an object, or into its status.
    ///
    /// # Panics
    /// When the server does not take it.
    #[track_caller]
    pub fn patch(&self, path: &str, change: &Value) {
        let patch = self.client.patch(self.at(path)).header("content-type", "application/merge-patch+json");
        self.send(patch.body(change.to_string()));
    }

    /// Takes an object away at once.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn delete(&self, path: &str) {
        self.send(self.client.delete(format!("{}?gracePeriodSeconds=0", self.at(path))));
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    #[track_caller]
    fn send(&self, request: reqwest::RequestBuilder) {
        block_on(async {
            let answer = request.bearer_auth(ADMIN).send().await.expect("the API server answers");
            let status = answer.status();
            let text = answer.text().await.expect("a whole answer");
            assert!(status.is_success(), "{status}: {text}");
        });
    }
}
