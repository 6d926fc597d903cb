//! From the configuration to the parts of the runtime.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flyball_backend_alertmanager::{AlertmanagerBackend, AlertmanagerOptions};
use flyball_backend_webhook::{WebhookBackend, WebhookOptions};
use flyball_log::Disk;
use flyball_model::Clock;
use flyball_model::ports::{Backend, Sink};
use flyball_receivers::net::Tls;
use flyball_receivers::otlp_grpc;
use flyball_remediation::ActionLimits;
use flyball_remediation::silence::Window;
use flyball_rules::check::BackendActions;
use flyball_rules::definition::{Problem, RuleSet};
use flyball_rules::query::{Database, QueryLimits};
use flyball_runtime::{LogParts, Parts, TableSources};
use flyball_store::{Store, StoreOptions};
use flyball_store_influxdb::{InfluxOptions, InfluxSink};
use flyball_twin::{Mapping, Twin};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Known};
use crate::cli::Serve;
use crate::config::{self, Config};
use crate::excuse::{Excuse, is_excused};
use crate::idle::idle_cores;
use crate::listen;
use crate::rule_paths::{LIBRARY_PREFIX, RulePaths};
use crate::{Failure, reload};

/// One part in so many of `limits.memory` is for recent points; the rest is for series, queries, rules and requests under way.
/// What leaves memory stays as easy to query, so a large hot store gains little.
const HOT_SHARE: usize = 24;

/// One part in so many of `limits.memory` is for one query.
const QUERY_SHARE: usize = 4;

/// Reads the configuration and puts the command line over it.
pub(crate) fn configuration(args: &Serve) -> Result<Config, Failure> {
    let name = args.config.as_deref().unwrap_or(Path::new("")).display().to_string();
    let loaded = config::load(args.config.as_deref())
        .map_err(|error| Failure::Configuration(vec![config::unreadable(&name, &error)]))?;
    let lines: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    if loaded.is_broken() {
        return Err(Failure::Configuration(lines));
    }
    for line in lines {
        tracing::warn!("{line}");
    }
    let mut config = loaded.config;
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    config.http.listen = args.http.unwrap_or(config.http.listen);
    config.receivers.otlp_grpc = args.otlp_grpc.unwrap_or(config.receivers.otlp_grpc);
    config.receivers.otlp_http = args.otlp_http.unwrap_or(config.receivers.otlp_http);
    let open = config.open_addresses();
    if !open.is_empty() { Err(Failure::Configuration(open)) } else { Ok(config) }
}

/// Who may come in.
pub(crate) fn access(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<Access>, Failure> {
    let known = Known::load(&config.http, clock).map_err(Failure::Configuration)?;
    Ok(Arc::new(Access::new(known)))
}

/// The certificates of the ports, one for each set of protocols.
pub(crate) struct Certificates {
    pub(crate) http: Arc<Tls>,
    pub(crate) grpc: Arc<Tls>,
}

impl Certificates {
    pub(crate) fn all(self) -> [Arc<Tls>; 2] {
        [self.http, self.grpc]
    }
}

pub(crate) fn certificates(config: &Config) -> Result<Option<Certificates>, Failure> {
    let Some(files) = &config.http.tls else { return Ok(None) };
    let load = |protocols| {
        let wrong = |error| Failure::Configuration(vec![format!("http.{error}")]);
        Tls::load(files.clone(), protocols).map(Arc::new).map_err(wrong)
    };
    Ok(Some(Certificates { http: load(&listen::PROTOCOLS)?, grpc: load(&otlp_grpc::PROTOCOLS)? }))
}

/// Rules of the command line come beside those of the configuration file; the library stands in where neither names any.
pub(crate) fn rule_paths(config: &Config, args: &Serve) -> Result<RulePaths, Failure> {
    let mut paths = match &config.rules {
        Some(rules) => rules.clone(),
        None if args.rules.is_empty() => vec!["library:*".to_owned()],
        None => Vec::new(),
    };
    paths.extend(args.rules.iter().cloned());
    RulePaths::parse(&paths).map_err(|error| Failure::Configuration(vec![format!("rules: {error}")]))
}

pub(crate) fn twin(config: &Config) -> Result<Arc<Twin>, Failure> {
    let mut problems = Vec::new();
    let mut mapping = Mapping::builtin();
    for file in &config.twin.mapping {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Err(error) => problems.push(format!("{name}: {error}")),
            Ok(text) => match mapping.clone().extend(&name, &text) {
                Ok(extended) => mapping = extended,
                Err(found) => problems.extend(found.iter().map(ToString::to_string)),
            },
        }
    }
    if problems.is_empty() { Ok(Arc::new(Twin::new(mapping))) } else { Err(Failure::Configuration(problems)) }
}

pub(crate) async fn store(config: &Config) -> Result<Arc<Store>, Failure> {
    let options = StoreOptions {
        series_cap: config.limits.series,
        hot_bytes: config.limits.memory_bytes / HOT_SHARE,
        retention: config.limits.past,
        late: config.limits.late,
        ..StoreOptions::default()
    };
    let dir = config.data_dir.clone();
    let opened =
        tokio::task::spawn_blocking(move || Store::open(&dir, options)).await.context("opening the store panicked")?;
    Ok(opened.map_err(anyhow::Error::from)?)
}

/// Loads and checks the rules; at the start a bad file is a bad configuration, and points that a rule does not fit are none.
pub(crate) async fn rules(
    paths: &RulePaths,
    backends: &BackendActions,
    store: &Arc<Store>,
) -> Result<RuleSet, Failure> {
    match reload::read(paths, &checking_database(store), backends, Excuse::Points).await {
        Ok((rules, warnings)) => {
            // The library may wait for metrics that this estate never has; in a rule of one's own that may be a slip.
            let is_own = |warning: &Problem| !warning.place.file.starts_with(LIBRARY_PREFIX);
            for warning in warnings.iter().filter(|warning| is_own(warning) || is_excused(warning)) {
                tracing::warn!("{warning}");
            }
            Ok(rules)
        }
        Err(problems) => Err(Failure::Configuration(problems.iter().map(ToString::to_string).collect())),
    }
}

/// A database over a store in which every table exists that always does: rules are checked against it before anything runs.
pub(crate) fn checking_database(store: &Arc<Store>) -> Database {
    let database = Database::new(Arc::clone(store), QueryLimits::default());
    TableSources::empty(Arc::clone(store)).register(&database);
    database
}

/// The database of a rules' test: its own points and twin, and of flyball itself every table, empty.
pub(crate) fn testing_database(store: &Arc<Store>, twin: &Arc<Twin>) -> Database {
    let database = Database::new(Arc::clone(store), QueryLimits::default());
    TableSources { twin: Arc::clone(twin), ..TableSources::empty(Arc::clone(store)) }.register(&database);
    database
}

pub(crate) type Sinks = (Vec<Arc<dyn Sink>>, JoinSet<()>);

pub(crate) fn sinks(config: &Config, clock: &Arc<dyn Clock>, cancel: &CancellationToken) -> Result<Sinks, Failure> {
    let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
    let mut tasks = JoinSet::new();
    for (index, options) in influx_options(config).enumerate() {
        let (sink, task) = InfluxSink::start(options, Arc::clone(clock), cancel.clone())
            .map_err(|error| Failure::Configuration(vec![format!("store.influxdb[{index}]: {error}")]))?;
        sinks.push(sink);
        tasks.spawn(async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "a store's task panicked");
            }
        });
    }
    Ok((sinks, tasks))
}

/// What each InfluxDB is made of.
pub(crate) fn influx_options(config: &Config) -> impl Iterator<Item = InfluxOptions> {
    config.influxdb.iter().map(|influx| {
        let name = influx.name();
        InfluxOptions {
            url: influx.url.clone(),
            version: influx.version,
            org: influx.org.clone(),
            bucket: influx.bucket.clone(),
            token: influx.token.clone(),
            username: influx.username.clone(),
            password: influx.password.clone(),
            write: influx.write.clone(),
            spool_dir: config.data_dir.join("spool").join(&name),
            spool_bytes_max: influx.spool_bytes_max,
            name,
        }
    })
}

/// All backends.
///
/// # Errors
/// A line for each that can't be made.
pub(crate) fn backends(
    config: &Config,
    clock: &Arc<dyn Clock>,
    cancel: &CancellationToken,
) -> Result<Vec<Arc<dyn Backend>>, Failure> {
    let made = config.backends.keys().map(|name| (name, backend(config, name, clock, cancel)));
    let (good, wrong): (Vec<_>, Vec<_>) = made.partition(|(_, made)| made.is_ok());
    if wrong.is_empty() {
        return Ok(good.into_iter().filter_map(|(_, made)| made.ok()).collect());
    }
    let lines = wrong.into_iter().filter_map(|(name, made)| Some(format!("backends.{name}: {}", made.err()?)));
    Err(Failure::Configuration(lines.collect()))
}

/// The backend of this name.
///
/// # Errors
/// What keeps it from being made.
pub(crate) fn backend(
    config: &Config,
    name: &str,
    clock: &Arc<dyn Clock>,
    cancel: &CancellationToken,
) -> Result<Arc<dyn Backend>, String> {
    let backend = &config.backends[name];
    let (name, clock, cancel) = (name.to_owned(), Arc::clone(clock), cancel.clone());
    match backend {
        config::Backend::Webhook(webhook) => {
            let options = WebhookOptions {
                name,
                url: webhook.url.clone(),
                secret: webhook.secret.clone(),
                events: webhook.events.clone(),
                timeout: webhook.timeout,
                allow_link_local: webhook.allow_link_local,
                source: format!("/flyball/{}", host_name()),
            };
            let made = WebhookBackend::new(options, clock, cancel).map_err(|error| error.to_string())?;
            Ok(Arc::new(made))
        }
        config::Backend::Alertmanager(alertmanager) => {
            let external_url = alertmanager.external_url.clone();
            let options = AlertmanagerOptions {
                name,
                url: alertmanager.url.clone(),
                token: alertmanager.token.clone(),
                resend_every: alertmanager.resend_every,
                timeout: alertmanager.timeout,
                allow_link_local: alertmanager.allow_link_local,
                external_url: external_url.unwrap_or_else(|| own_url(config)),
            };
            let made = AlertmanagerBackend::new(options, clock, cancel).map_err(|error| error.to_string())?;
            Ok(Arc::new(made))
        }
    }
}

pub(crate) fn parts(
    config: &Config,
    store: Arc<Store>,
    twin: Arc<Twin>,
    sinks: Vec<Arc<dyn Sink>>,
    backends: Vec<Arc<dyn Backend>>,
    stopping: CancellationToken,
    clock: Arc<dyn Clock>,
) -> Result<Parts, Failure> {
    Ok(Parts {
        store,
        twin,
        limits: config.limits.clone(),
        query_limits: QueryLimits { memory_bytes: config.limits.memory_bytes / QUERY_SHARE, ..QueryLimits::default() },
        action_limits: action_limits(config),
        windows: windows(config)?,
        snapshot_every: config.twin.snapshot_every,
        backends,
        sinks,
        stopping,
        clock,
        idle_cores: idle_cores(),
        log: LogParts { data_dir: config.data_dir.clone(), storage: Arc::new(Disk), durability: config.durability },
        progress: Arc::default(),
    })
}

/// Where people may reach this server, as far as it knows itself.
fn own_url(config: &Config) -> String {
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let listen = config.http.listen;
    let host =
        if listen.ip().is_unspecified() { format!("{}:{}", host_name(), listen.port()) } else { listen.to_string() };
    format!("{scheme}://{host}")
}

/// What bounds the actions.
pub(crate) fn action_limits(config: &Config) -> ActionLimits {
    ActionLimits {
        per_target_cooldown: config.actions.per_target_cooldown,
        per_backend_per_minute: config.actions.per_backend_per_minute,
        ..ActionLimits::default()
    }
}

/// The maintenance windows.
pub(crate) fn windows(config: &Config) -> Result<Vec<Window>, Failure> {
    let made = config.maintenance.iter().enumerate().map(|(index, options)| {
        let wrong = |error| Failure::Configuration(vec![format!("maintenance[{index}]: {error}")]);
        Window::new(options.clone()).map_err(wrong)
    });
    made.collect()
}

/// The name that events carry as their source.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
