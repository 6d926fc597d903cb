//! `flyball serve`: configuration is checked before any port is bound; then run until a signal, then drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use flyball_model::{Clock, Intake, WallClock};
use flyball_receivers::net::{House, Listener, Seats};
use flyball_receivers::{host, otlp_grpc, scrape};
use flyball_runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Access};
use crate::api::{self, Shared};
use crate::cli::Serve;
use crate::config::{Config, Http};
use crate::listen::{self, Door, Entrance};
use crate::reload::{Reloader, actions, watch};
use crate::shutdown::{Asked, Signals};
use crate::wiring::Certificates;
use crate::{Failure, routes, wiring};

/// How long requests under way may take to end once the drain began. Deliveries have 2 s after it, stores 2 s, so that the whole
/// drain stays within 10 s.
const REQUESTS_DRAIN: Duration = Duration::from_secs(4);

/// How long answers under way on the main port may take after everything else has ended.
const ANSWERS_DRAIN: Duration = Duration::from_millis(500);

pub(crate) async fn serve(args: Serve) -> Result<(), Failure> {
    let config = wiring::configuration(&args)?;
    let rule_paths = wiring::rule_paths(&config, &args)?;
    let twin = wiring::twin(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let (access, certificates) = (wiring::access(&config, &clock)?, wiring::certificates(&config)?);
    let store = wiring::store(&config).await?;
    let stopping = CancellationToken::new();
    let actions = actions(&wiring::backends(&config, &clock, &stopping)?);
    let rules = wiring::rules(&rule_paths, &actions, &store).await?;
    let mut signals = Signals::listen().context("signals can't be listened to")?;
    let listeners = Listeners::bind(&config, certificates.as_ref())?;

    // Of port 0 it is known only now which it is, and backends tell where we are.
    let bound = listeners.http.local_addr().context("a bound port has no address")?;
    let reachable = Config { http: Http { listen: bound, ..config.http.clone() }, ..config.clone() };
    let backends = wiring::backends(&reachable, &clock, &stopping)?;
    let cancel = CancellationToken::new();
    let (sinks, mut sink_tasks) = wiring::sinks(&config, &clock, &cancel)?;
    let parts = wiring::parts(&config, store, twin, sinks, backends, stopping, Arc::clone(&clock))?;
    let (ready, ports) = (listeners.ready_line().context("a bound port has no address")?, listeners.seats());
    let listeners = listeners.open(api::starting::router(Arc::clone(&parts.progress)));
    let started = tokio::select! {
        started = Runtime::start(parts, rules) => started,
        () = signals.stop() => return Ok(()),
    };
    let (runtime, mut tasks) = started.context("the data folder can't be gone on with")?;
    let reloader = Reloader::new(args, config.clone(), rule_paths, actions, (&runtime, &access, &clock));
    let reloader = Arc::new(reloader);
    let draining = Arc::new(AtomicBool::new(false));
    let entrance = Entrance { ports, access: Arc::clone(&access) };
    let shared = Shared::new(&runtime, &reloader, &clock, &draining, Arc::new(entrance));

    let mut servers = listeners.serve(&config, shared, &runtime, &clock, &access);
    let watching = tokio::spawn(watch(Arc::clone(&reloader), cancel.clone()));
    let files = certificates.into_iter().flat_map(Certificates::all).collect();
    let refreshing = tokio::spawn(access::refresh(access, files, cancel.clone()));
    announce(&ready)?;

    let failed = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break None,
                // The next signal is listened to while this one is served.
                Asked::Reload => drop(tokio::spawn({
                    let reloader = Arc::clone(&reloader);
                    async move { reloader.reload_and_log().await }
                })),
            },
            () = tasks.failed() => break Some("a stage of the pipeline ended by itself"),
            () = servers.failed() => break Some("a receiver ended by itself"),
        }
    };
    tracing::info!("draining");
    draining.store(true, Ordering::Relaxed);
    servers.drain_receivers().await;
    let drained = tasks.drain().await;
    cancel.cancel();
    while sink_tasks.join_next().await.is_some() {}
    servers.end().await;
    watching.abort();
    refreshing.abort();
    drained.with_context(|| left_in_memory(runtime.log_trouble()))?;
    tracing::info!("drained");
    match failed {
        None => Ok(()),
        Some(what) => Err(anyhow::anyhow!("{what}; the log above says why").into()),
    }
}

/// What is said when the history could not be written: the log has it all, unless there is trouble with the log too.
fn left_in_memory(log_trouble: Option<String>) -> String {
    let fate = match log_trouble {
        None => "it is read back from the log at the next start".to_owned(),
        Some(trouble) => {
            format!("what the log has of it is read back at the next start, the rest is lost; of the log: {trouble}")
        }
    };
    format!("what was in memory could not be written into the history; {fate}")
}

#[expect(clippy::print_stdout, reason = "the ready line is the one thing that goes to stdout")]
fn announce(line: &str) -> Result<(), Failure> {
    println!("{line}");
    std::io::Write::flush(&mut std::io::stdout()).context("stdout is closed")?;
    Ok(())
}

/// The bound ports.
struct Listeners {
    http: Listener,
    otlp_grpc: Listener,
    otlp_http: Listener,
}

impl Listeners {
    fn bind(config: &Config, certificates: Option<&Certificates>) -> Result<Self, Failure> {
        let house = House::new(listen::connections_max());
        let bind = |port, key: &str, address, grpc: bool| {
            let tls = certificates.map(|both| Arc::clone(if grpc { &both.grpc } else { &both.http }));
            Listener::bind(address, tls, house.seats(port)).map_err(|error| {
                Failure::Failed(anyhow::anyhow!(
                    "{key}: {address} can't be listened on: {error}; set another address, or port 0 for a free one"
                ))
            })
        };
        let (http, receivers) = (config.http.listen, &config.receivers);
        Ok(Self {
            http: bind("http", "http.listen (--http)", http, false)?,
            otlp_grpc: bind("otlp_grpc", "receivers.otlp.grpc (--otlp-grpc)", receivers.otlp_grpc, true)?,
            otlp_http: bind("otlp_http", "receivers.otlp.http (--otlp-http)", receivers.otlp_http, false)?,
        })
    }

    /// The connections of each.
    fn seats(&self) -> Vec<Arc<Seats>> {
        [&self.http, &self.otlp_grpc, &self.otlp_http].map(|listener| Arc::clone(listener.seats())).into()
    }

    fn ready_line(&self) -> std::io::Result<String> {
        let (http, grpc, otlp) = (self.http.local_addr()?, self.otlp_grpc.local_addr()?, self.otlp_http.local_addr()?);
        Ok(format!("flyball ready http={http} otlp_grpc={grpc} otlp_http={otlp}"))
    }

    /// Serves the main port, with `router` behind it for the time being.
    fn open(self, router: Router) -> Opened {
        let Self { http, otlp_grpc, otlp_http } = self;
        let (door, answering, mut main_port) = (Door::new(router), CancellationToken::new(), JoinSet::new());
        main_port.spawn(serve_door(Arc::clone(&door), http, answering.clone()));
        Opened { door, answering, main_port, otlp_grpc, otlp_http }
    }
}

/// The ports while the log is read back.
struct Opened {
    door: Arc<Door>,
    answering: CancellationToken,
    main_port: JoinSet<()>,
    otlp_grpc: Listener,
    otlp_http: Listener,
}

impl Opened {
    fn serve(
        self,
        config: &Config,
        shared: Shared,
        runtime: &Arc<Runtime>,
        clock: &Arc<dyn Clock>,
        access: &Arc<Access>,
    ) -> Servers {
        let intake: Arc<dyn Intake> = Arc::clone(&runtime.pipeline) as Arc<dyn Intake>;
        let scraper = scrape::Scraper::new(config.receivers.scrape.clone(), Arc::clone(&intake), Arc::clone(clock));
        let draining = Arc::clone(&shared.draining);
        let main = api::router(shared)
            .merge(routes::receivers(&config.receivers, &intake, clock))
            .merge(scrape::router(scraper.targets()));
        let guarded = |router, port: std::net::SocketAddr| {
            let local = port.ip().is_loopback() && !config.http.insecure;
            access::guarded(router, access, &intake, &draining, local)
        };
        let main = guarded(main, config.http.listen);
        let otlp = guarded(routes::otlp(&intake, clock), config.receivers.otlp_http);
        let Self { door, answering, main_port, otlp_grpc, otlp_http } = self;
        let (receiving, mut receivers) = (CancellationToken::new(), JoinSet::new());
        door.replace(main);
        receivers.spawn(serve_door(Door::new(otlp), otlp_http, receiving.clone()));
        let gate = Arc::clone(access) as _;
        let grpc = otlp_grpc::serve(otlp_grpc, gate, Arc::clone(&intake), Arc::clone(clock), receiving.clone());
        receivers.spawn(async move {
            if let Err(error) = grpc.await {
                tracing::error!(%error, "the OTLP/gRPC receiver ended");
            }
        });
        receivers.spawn(scraper.run(receiving.clone()));
        if config.receivers.host {
            let source =
                host::HostSource::new(host::HostOptions { every: config.receivers.host_every, ..Default::default() });
            receivers.spawn(source.run(intake, Arc::clone(clock), receiving.clone()));
        }
        Servers { receivers, receiving, main_port, answering }
    }
}

/// What listens, while it does.
struct Servers {
    receivers: JoinSet<()>,
    receiving: CancellationToken,
    /// The main port answers until the very end, so that `/readyz` can say that the rest is draining.
    main_port: JoinSet<()>,
    answering: CancellationToken,
}

impl Servers {
    /// Waits until one of them has ended although nobody asked it to.
    async fn failed(&mut self) {
        let ended = tokio::select! {
            Some(ended) = self.receivers.join_next() => ended,
            Some(ended) = self.main_port.join_next() => ended,
        };
        if let Err(error) = ended {
            tracing::error!(%error, "a server panicked");
        }
    }

    /// Takes no new connections on the receivers' own ports, and waits for what is under way there.
    async fn drain_receivers(&mut self) {
        self.receiving.cancel();
        end(&mut self.receivers, REQUESTS_DRAIN).await;
    }

    /// Ends the main port.
    async fn end(mut self) {
        self.answering.cancel();
        end(&mut self.main_port, ANSWERS_DRAIN).await;
    }
}

async fn end(servers: &mut JoinSet<()>, within: Duration) {
    let ended = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(within, ended).await.is_err() {
        tracing::warn!("requests under way were cut off after {within:?}; they were not acknowledged");
        servers.shutdown().await;
    }
}

async fn serve_door(door: Arc<Door>, listener: Listener, ending: CancellationToken) {
    if let Err(error) = door.serve(listener, ending).await {
        tracing::error!(%error, "an HTTP server ended");
    }
}
