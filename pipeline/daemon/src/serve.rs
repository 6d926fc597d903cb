//! `flyball serve`: configuration is checked before any port is bound; then run until a signal, then drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use flyball_model::{Clock, Intake, WallClock};
use flyball_receivers::{host, influx, otlp_grpc, otlp_http, pushgateway, remote_write, scaphandre, scrape};
use flyball_runtime::Runtime;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Shared};
use crate::cli::Serve;
use crate::config::Config;
use crate::reload::{Reloader, actions, watch};
use crate::shutdown::{Asked, Signals};
use crate::{Failure, wiring};

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
    let store = wiring::store(&config).await?;
    let stopping = CancellationToken::new();
    let backends = wiring::backends(&config, &clock, &stopping)?;
    let actions = actions(&backends);
    let rules = wiring::rules(&rule_paths, &actions, &store).await?;
    let mut signals = Signals::listen().context("signals can't be listened to")?;
    let listeners = Listeners::bind(&config).await?;

    let cancel = CancellationToken::new();
    let (sinks, mut sink_tasks) = wiring::sinks(&config, &clock, &cancel)?;
    let parts = wiring::parts(&config, store, twin, sinks, backends, stopping, Arc::clone(&clock));
    let (runtime, mut tasks) = Runtime::start(parts, rules).await;
    let reloader = Arc::new(Reloader::new(rule_paths, actions, Arc::clone(&runtime)));
    let draining = Arc::new(AtomicBool::new(false));
    let shared = Shared::new(&runtime, &reloader, &clock, &draining);

    let ready = listeners.ready_line().context("a bound port has no address")?;
    let mut servers = listeners.serve(&config, shared, &runtime, &clock);
    let watching = tokio::spawn(watch(Arc::clone(&reloader), cancel.clone()));
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
    drained.context("what was in memory could not be written into the history")?;
    tracing::info!("drained");
    match failed {
        None => Ok(()),
        Some(what) => Err(anyhow::anyhow!("{what}; the log above says why").into()),
    }
}

#[expect(clippy::print_stdout, reason = "the ready line is the one thing that goes to stdout")]
fn announce(line: &str) -> Result<(), Failure> {
    println!("{line}");
    std::io::Write::flush(&mut std::io::stdout()).context("stdout is closed")?;
    Ok(())
}

/// The bound ports.
struct Listeners {
    http: TcpListener,
    otlp_grpc: TcpListener,
    otlp_http: TcpListener,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, Failure> {
        let bind = async |key: &str, address| {
            TcpListener::bind(address).await.map_err(|error| {
                Failure::Failed(anyhow::anyhow!(
                    "{key}: {address} can't be listened on: {error}; set another address, or port 0 for a free one"
                ))
            })
        };
        Ok(Self {
            http: bind("http.listen (--http)", config.http.listen).await?,
            otlp_grpc: bind("receivers.otlp.grpc (--otlp-grpc)", config.receivers.otlp_grpc).await?,
            otlp_http: bind("receivers.otlp.http (--otlp-http)", config.receivers.otlp_http).await?,
        })
    }

    fn ready_line(&self) -> std::io::Result<String> {
        let (http, grpc, otlp) = (self.http.local_addr()?, self.otlp_grpc.local_addr()?, self.otlp_http.local_addr()?);
        Ok(format!("flyball ready http={http} otlp_grpc={grpc} otlp_http={otlp}"))
    }

    fn serve(self, config: &Config, shared: Shared, runtime: &Arc<Runtime>, clock: &Arc<dyn Clock>) -> Servers {
        let intake: Arc<dyn Intake> = Arc::clone(&runtime.pipeline) as Arc<dyn Intake>;
        let otlp = || otlp_http::router(Arc::clone(&intake), Arc::clone(clock));
        let mut main = api::router(shared).merge(otlp());
        if config.receivers.remote_write {
            main = main.merge(remote_write::router(Arc::clone(&intake), Arc::clone(clock)));
        }
        if config.receivers.influx {
            main = main.merge(influx::router(Arc::clone(&intake), Arc::clone(clock)));
        }
        if config.receivers.pushgateway {
            main = main.merge(pushgateway::router(Arc::clone(&intake), Arc::clone(clock)));
        }
        let scraper = scrape::Scraper::new(config.receivers.scrape.clone(), Arc::clone(&intake), Arc::clone(clock));
        main = main.merge(scrape::router(scraper.targets()));
        main = main.merge(scaphandre::router(Arc::clone(&intake), Arc::clone(clock)));
        let (receiving, answering) = (CancellationToken::new(), CancellationToken::new());
        let (mut receivers, mut main_port) = (JoinSet::new(), JoinSet::new());
        main_port.spawn(http(self.http, main, answering.clone()));
        receivers.spawn(http(self.otlp_http, otlp(), receiving.clone()));
        let grpc = otlp_grpc::serve(self.otlp_grpc, Arc::clone(&intake), Arc::clone(clock), receiving.clone());
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

async fn http(listener: TcpListener, router: Router, ending: CancellationToken) {
    let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    let server = axum::serve(listener.tap_io(no_delay), service).with_graceful_shutdown(ending.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "an HTTP server ended");
    }
}

/// Answers are small and wait for nothing behind them.
fn no_delay(stream: &mut tokio::net::TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY can't be set");
    }
}
