//! The configuration: nested types with defaults, read from YAML so that every problem is reported at once with its place.

mod access;
mod backends;
mod default;
mod maintenance;
mod parse;
mod read;
mod scrape;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyball_log::Durability;
use flyball_model::Limits;
use flyball_model::ports::RecordKind;
use flyball_receivers::net::TlsFiles;
use flyball_receivers::scrape::JobOptions;
use flyball_remediation::silence::WindowOptions;
use flyball_store_influxdb::InfluxVersion;
use flyball_yaml::Problem;

pub(crate) use access::{Oidc, Token, TokenSecret};
pub(crate) use backends::Backend;
pub(crate) use default::DEFAULT_YAML;
pub(crate) use parse::address;

/// The whole configuration, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: Http,
    pub(crate) receivers: Receivers,
    pub(crate) limits: Limits,
    /// `log.durability`: what an acknowledgement promises.
    pub(crate) durability: Durability,
    pub(crate) influxdb: Vec<Influx>,
    pub(crate) twin: TwinConfig,
    /// `None` when not said: then the whole library, unless the command line names rules.
    pub(crate) rules: Option<Vec<String>>,
    pub(crate) backends: BTreeMap<String, Backend>,
    /// Windows in which matching violations are silenced.
    pub(crate) maintenance: Vec<WindowOptions>,
    pub(crate) actions: Actions,
}

/// `http:`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) insecure: bool,
    /// Of all three ports.
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) oidc: Option<Oidc>,
}

/// `receivers:`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Receivers {
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    pub(crate) remote_write: bool,
    pub(crate) influx: bool,
    pub(crate) pushgateway: bool,
    pub(crate) scrape: Vec<JobOptions>,
    pub(crate) host: bool,
    pub(crate) host_every: Duration,
}

/// An entry of `store.influxdb`.
#[derive(Clone, PartialEq)]
pub(crate) struct Influx {
    pub(crate) url: String,
    pub(crate) version: InfluxVersion,
    pub(crate) org: String,
    pub(crate) bucket: String,
    pub(crate) token: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) write: Vec<RecordKind>,
    pub(crate) spool_bytes_max: u64,
}

impl Influx {
    /// What it is called in logs, metrics and under `data_dir/spool`: made of its address and bucket, so that a spool never goes to
    /// another store when entries of the configuration change places.
    pub(crate) fn name(&self) -> String {
        let address = self.url.split_once("://").map_or(self.url.as_str(), |(_, address)| address);
        let keep = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
        format!("influxdb-{}-{}", address.trim_end_matches('/'), self.bucket).chars().map(keep).collect()
    }
}

impl std::fmt::Debug for Influx {
    /// Without the secrets; the URL may hold one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Influx").field("version", &self.version).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// `twin:`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TwinConfig {
    pub(crate) mapping: Vec<PathBuf>,
    pub(crate) snapshot_every: Duration,
}

/// `limits_of_action:`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Actions {
    pub(crate) per_target_cooldown: Duration,
    pub(crate) per_backend_per_minute: u32,
}

impl Config {
    /// Whether everybody who reaches a port may come in: there are no tokens, no issuer of them, and no certificate is asked for.
    pub(crate) fn is_open(&self) -> bool {
        let mutual = self.http.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        self.http.tokens.is_empty() && self.http.oidc.is_none() && !mutual
    }

    /// This configuration with what a reload takes over of a new one, and the keys of what else is new.
    pub(crate) fn reloaded(&self, new: Self) -> (Self, Vec<&'static str>) {
        // These stand under other keys.
        let (body, past) = (self.limits.body_bytes, self.limits.past);
        let limits = Limits { body_bytes: body, past, ..new.limits.clone() };
        let differs = [
            ("data_dir", new.data_dir != self.data_dir),
            ("http.listen", new.http.listen != self.http.listen),
            ("http.insecure", new.http.insecure != self.http.insecure),
            ("http.tls", new.http.tls != self.http.tls),
            ("receivers", new.receivers != self.receivers || new.limits.body_bytes != body),
            ("limits", limits != self.limits),
            ("log", new.durability != self.durability),
            ("store", new.influxdb != self.influxdb || new.limits.past != past),
            ("twin", new.twin != self.twin),
            ("backends", new.backends != self.backends),
        ];
        let needs_restart = differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
        let reloaded = Self {
            http: Http { tokens: new.http.tokens, oidc: new.http.oidc, ..self.http.clone() },
            rules: new.rules,
            maintenance: new.maintenance,
            actions: new.actions,
            ..self.clone()
        };
        (reloaded, needs_restart)
    }

    /// A line for each address beyond loopback, unless that is meant or something has to be shown there.
    pub(crate) fn open_addresses(&self) -> Vec<String> {
        if !self.is_open() {
            return Vec::new();
        }
        let addresses = [
            ("http.listen", self.http.listen),
            ("receivers.otlp.grpc", self.receivers.otlp_grpc),
            ("receivers.otlp.http", self.receivers.otlp_http),
        ];
        let open = addresses.into_iter().filter(|(_, address)| !self.http.insecure && !address.ip().is_loopback());
        open.map(|(key, address)| {
            format!(
                "{key}: {address} goes beyond loopback and is open to everyone who reaches it; \
                 set http.tokens, http.oidc or http.tls.client_ca, listen on 127.0.0.1, or set http.insecure: true if that is meant"
            )
        })
        .collect()
    }
}

/// A configuration file that can't be used, or was read with warnings.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) problems: Vec<Problem>,
}

impl Loaded {
    /// Whether a problem is more than a warning.
    pub(crate) fn is_broken(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Reads a file, or gives the defaults where there is none.
///
/// # Errors
/// When the file can't be read at all; what is wrong inside it is in [`Loaded::problems`].
pub(crate) fn load(file: Option<&Path>) -> std::io::Result<Loaded> {
    match file {
        None => Ok(Loaded { config: Config::default(), problems: Vec::new() }),
        Some(file) => Ok(read::read(&file.display().to_string(), &std::fs::read_to_string(file)?, environment)),
    }
}

/// What is said of a file that can't be read.
pub(crate) fn unreadable(name: &str, error: &std::io::Error) -> String {
    format!("{name}:1:1: the file can't be read: {error}; `flyball config default` prints one to begin with")
}

/// The address of the API server, where we run in a pod of a Kubernetes cluster.
fn kubernetes_server() -> Option<String> {
    let (host, port) = (environment("KUBERNETES_SERVICE_HOST")?, environment("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("https://{host}:{port}"))
}

#[expect(clippy::disallowed_methods, reason = "the daemon is where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
