//! What can be configured of a scrape job.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use flyball_model::relabel::{LabelSet, Relabel};

use super::discovery::kubernetes::KubernetesOptions;

/// A scrape job: targets that are asked in the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOptions {
    /// The label `job` of its series.
    pub job: String,
    /// The time between two scrapes of a target; 15 s by default.
    pub every: Duration,
    /// How long one may take; 10 s by default, or `every` where that is shorter.
    pub timeout: Duration,
    /// Labels of all its targets; those that a discovery gives win.
    pub labels: LabelSet,
    /// Whether a series' own label wins over the target's. By default it is kept as `exported_…`.
    pub honor_labels: bool,
    /// Whether times that a target gives are taken; true by default.
    pub honor_timestamps: bool,
    /// `http` or `https`.
    pub scheme: String,
    /// The path; `/metrics` by default.
    pub metrics_path: String,
    /// Parameters of the query.
    pub params: Vec<(String, String)>,
    /// Rewrites and chooses targets, by the labels that discovery found.
    pub relabel: Vec<Relabel>,
    /// Rewrites and chooses series.
    pub metric_relabel: Vec<Relabel>,
    /// How targets are spoken to.
    pub http: HttpOptions,
    /// Targets that are always there: `__address__` and what else is known.
    pub targets: Vec<LabelSet>,
    /// Where to find more.
    pub discoveries: Vec<Discovery>,
}

impl JobOptions {
    /// A job without targets, with every default.
    pub fn new(job: impl Into<String>) -> Self {
        Self {
            job: job.into(),
            every: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            labels: LabelSet::new(),
            honor_labels: false,
            honor_timestamps: true,
            scheme: "http".to_owned(),
            metrics_path: "/metrics".to_owned(),
            params: Vec::new(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            http: HttpOptions::default(),
            targets: Vec::new(),
            discoveries: Vec::new(),
        }
    }
}

/// Where targets are found.
#[derive(Debug, Clone, PartialEq)]
pub enum Discovery {
    /// JSON or YAML files with target groups, looked at again and again.
    Files {
        /// Paths; `*` may stand in the last part.
        files: Vec<PathBuf>,
        /// The time between two looks; 5 s by default.
        refresh: Duration,
    },
    /// A URL that answers target groups as JSON.
    Http {
        /// Where.
        url: String,
        /// The time between two requests; 60 s by default.
        refresh: Duration,
        /// How it is spoken to.
        http: Box<HttpOptions>,
    },
    /// A Kubernetes API server.
    Kubernetes(Box<KubernetesOptions>),
}

/// How an HTTP server is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpOptions {
    /// For `https`.
    pub tls: TlsOptions,
    /// Who we are.
    pub auth: Auth,
    /// Whether redirects are followed, at most ten; true by default.
    pub follow_redirects: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { tls: TlsOptions::default(), auth: Auth::None, follow_redirects: true }
    }
}

/// TLS towards a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TlsOptions {
    /// Certificates that are trusted; the system's by default.
    pub ca: Option<Pem>,
    /// Our certificate.
    pub cert: Option<Pem>,
    /// Its key.
    pub key: Option<Pem>,
    /// The name that the server's certificate must have, where it is not that of its address.
    pub server_name: Option<String>,
    /// Trusts any certificate.
    pub insecure_skip_verify: bool,
}

/// PEM text, read when a job starts.
#[derive(Clone, PartialEq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// As it is.
    Text(Vec<u8>),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => path.fmt(f),
            Pem::Text(_) => f.write_str("PEM"),
        }
    }
}

/// Who we are, for a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// Nobody.
    None,
    /// RFC 7617.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

/// Something that is not shown.
#[derive(Clone, PartialEq)]
pub enum Secret {
    /// As it is.
    Text(String),
    /// In a file that is read for each request, since tokens are renewed there. Blanks around it do not count.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Text(_) => f.write_str("…"),
            Secret::File(path) => path.fmt(f),
        }
    }
}
