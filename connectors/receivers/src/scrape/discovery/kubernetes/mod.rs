//! `kubernetes_sd`: pods, services and nodes of a cluster, under Prometheus' `__meta_kubernetes_…` labels.
//!
//! | module | does |
//! |---|---|
//! | `api` | reaches the API server: in-cluster, by kubeconfig, or by address |
//! | `kubeconfig` | reads the file that kubectl reads |
//! | `follow` | lists objects, then watches what becomes of them |
//! | `meta` | names, labels and annotations, which all objects have |
//! | `pod`, `service`, `node` | an object → its targets |
//!
//! Source: Prometheus' documentation of `kubernetes_sd_config`; the Kubernetes API's concepts (list, watch, bookmarks).

mod api;
mod follow;
mod kubeconfig;
mod meta;
mod node;
mod pod;
mod service;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::super::TARGETS_MAX;
use super::super::options::HttpOptions;
use super::Teller;
use api::Api;
use follow::{Follower, Known};

/// Changes come in bursts (a rollout, a node that is gone): the last one of a burst counts.
const SETTLE: Duration = Duration::from_millis(200);

/// How long to wait before a file that says where the API server is, is read again.
const RETRY: Duration = Duration::from_secs(10);

/// What to find in which cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesOptions {
    /// What becomes a target.
    pub role: Role,
    /// The cluster.
    pub api: KubernetesApi,
    /// Namespaces to look in; all when empty.
    pub namespaces: Vec<String>,
    /// Also the namespace that we run in, or that the kubeconfig names.
    pub own_namespace: bool,
    /// Which objects; all when empty.
    pub selectors: Vec<Selector>,
}

/// What becomes a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Each declared port of each container; one without ports is a target without a port.
    Pod,
    /// Each port of each service.
    Service,
    /// Each node's kubelet.
    Node,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Pod, Role::Service, Role::Node];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Pod => "pod",
            Role::Service => "service",
            Role::Node => "node",
        }
    }
}

/// Which objects, in Kubernetes' own notation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// `app=web,tier!=db`
    pub label: String,
    /// `spec.nodeName=edge-1`
    pub field: String,
}

/// Where the API server is and who we are there.
#[derive(Debug, Clone, PartialEq)]
pub enum KubernetesApi {
    /// We run in a pod: the service account's token and certificate.
    InCluster {
        /// `https://host:port` from the pod's environment; `None` where that says nothing.
        server: Option<String>,
    },
    /// A file as kubectl reads it; its current context counts.
    Kubeconfig(PathBuf),
    /// An address.
    Server {
        /// `https://host:port`.
        url: String,
        /// How it is spoken to.
        http: Box<HttpOptions>,
    },
}

/// Discovers until it is dropped.
pub(super) async fn run(options: KubernetesOptions, job: &str, mut teller: Teller) -> Infallible {
    let api = loop {
        match Api::open(&options.api).await {
            Ok(api) => break Arc::new(api),
            Err(problem) => tracing::warn!(job, problem, "the Kubernetes API can't be reached yet; trying on"),
        }
        tokio::time::sleep(RETRY).await;
    };
    let mut namespaces: Vec<Option<String>> = options.namespaces.iter().cloned().map(Some).collect();
    if options.own_namespace {
        namespaces.push(Some(api.namespace().to_owned()));
    }
    // Nodes are in no namespace.
    if namespaces.is_empty() || options.role == Role::Node {
        namespaces = vec![None];
    }
    let selectors = if options.selectors.is_empty() { vec![Selector::default()] } else { options.selectors };
    let known = Arc::new(Known::new(namespaces.len() * selectors.len()));
    let mut followers = JoinSet::new();
    let streams = namespaces.iter().flat_map(|namespace| selectors.iter().map(move |selector| (namespace, selector)));
    for (stream, (namespace, selector)) in streams.enumerate() {
        let follower = Follower {
            api: Arc::clone(&api),
            known: Arc::clone(&known),
            stream,
            namespace: namespace.clone(),
            selector: selector.clone(),
            job: job.to_owned(),
        };
        match options.role {
            Role::Pod => followers.spawn(follower.follow::<pod::Pod>()),
            Role::Service => followers.spawn(follower.follow::<service::Service>()),
            Role::Node => followers.spawn(follower.follow::<node::Node>()),
        };
    }
    loop {
        tokio::select! {
            Some(ended) = followers.join_next() => {
                // They end by a panic only.
                let Err(error) = ended;
                tracing::error!(job, %error, "following Kubernetes objects failed; what is known stays");
            }
            () = known.changed() => {
                tokio::time::sleep(SETTLE).await;
                if let Some(mut targets) = known.targets() {
                    if targets.len() > TARGETS_MAX {
                        let found = targets.len();
                        tracing::error!(job, found, max = TARGETS_MAX, "more targets than are taken; narrow them with selectors");
                        targets.truncate(TARGETS_MAX);
                    }
                    teller.tell(targets).await;
                }
            }
        }
    }
}
