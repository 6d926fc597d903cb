//! From a sample on the socket to its event on the webhook's socket, beside half of the load that a target can take.
//!
//! | module | does |
//! |---|---|
//! | `schedule` | which probe goes over its threshold when, and back |
//! | `probes` | sends the probes' samples when their time has come, or shows them to whoever scrapes |
//! | `hook` | the webhook, which notes what comes and when |
//! | `events` | what was told against the schedule, as histograms |
//! | `target` | rule, configuration and route of each target |
//! | `table` | all of it as a table, and whether the goals are met |

mod events;
mod hook;
mod probes;
mod schedule;
mod table;
mod target;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args as Arguments;
use flyball_bench::load::Load;
use tokio::sync::oneshot;

use self::hook::Hook;
use self::schedule::Schedule;
use self::table::Outcome;
use crate::args::Args;
use crate::client::Endpoint;
use crate::pace::{self, CALIBRATION, Offer, Template, USUAL, USUAL_SENDERS, aside};
use crate::process::Process;
use crate::targets::{self, Running, Target};
use crate::{account, clock};

/// The load beside the probes.
const LOAD: Load = Load::RemoteWrite;

/// Bodies that take turns: so many that each connection has some of its own.
const BODIES_MIN: usize = 50;

/// The background begins so long before the first probe. Prometheus scrapes all probes meanwhile.
const BEFORE: Duration = Duration::from_secs(3);

/// Events are waited for so long after the last change.
const PATIENCE: Duration = Duration::from_secs(15);

/// Fewer events than this have no 99.9th percentile.
const JUDGED_EVENTS_MIN: usize = 1_000;

/// How many probes, and how long.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Series that go over the threshold of the rule and back.
    #[arg(long, default_value_t = 200)]
    probes: usize,
    /// How long each stays over it, and how long under: longer than Prometheus takes to see it.
    #[arg(long, default_value_t = 5.0)]
    hold_seconds: f64,
    /// How long all of it takes.
    #[arg(long, default_value_t = 150)]
    seconds: u64,
}

/// The other end of the wire, on a thread of its own.
struct Aside {
    hook: Arc<Hook>,
    address: SocketAddr,
    /// When the first change is due; not known until all is ready.
    start: Arc<OnceLock<Instant>>,
}

/// Measures each target and prints the table; returns what is missing.
pub(crate) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let hold = Duration::from_secs_f64(options.hold_seconds);
    let schedule = Schedule::within(options.probes, hold, Duration::from_secs(options.seconds));
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for target in args.asked([Target::Flyball, Target::Prometheus3]) {
        clock::note(&format!("{target}: {} probes, {} s", schedule.probes, schedule.time().as_secs()));
        match measure(target, args, schedule) {
            Ok(Some(outcome)) => {
                failed.extend(outcome.missing());
                outcomes.push(outcome);
            }
            Ok(None) => clock::note("  not on PATH: left out"),
            Err(error) => {
                clock::note(&format!("  failed: {error:#}"));
                failed.push(target.to_string());
            }
        }
    }
    let judged = args.gives_all_of_the_machine()
        && args.series == 100_000
        && schedule.probes * schedule.spells >= JUDGED_EVENTS_MIN;
    std::io::stdout().write_all(table::table(&outcomes, judged).as_bytes())?;
    Ok(failed)
}

/// Starts a target and what it needs beside; `None` where it is not installed.
fn measure(target: Target, args: &Args, schedule: Schedule) -> Result<Option<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let beside = runtime.block_on(stand_beside(schedule))?;
    let plan = args.plan(LOAD, clock::unix_millis());
    let mut alertmanager: Option<Process> = None;
    let setup = if target == Target::Flyball {
        target::flyball(beside.address)
    } else {
        let Some((process, address)) = targets::alertmanager(&target::alertmanager(beside.address))? else {
            return Ok(None);
        };
        alertmanager = Some(process);
        target::prometheus(beside.address, address)
    };
    let Some(running) = targets::start(target, &plan, args, &setup)? else { return Ok(None) };
    let done = runtime.block_on(drive(&running, target, args, schedule, &beside));
    let done = running.process.explain(done);
    match &alertmanager {
        Some(alertmanager) => alertmanager.explain(done),
        None => done,
    }
    .map(Some)
}

/// Starts the webhook, which is the exporter too.
async fn stand_beside(schedule: Schedule) -> Result<Aside> {
    let (hook, start) = (Arc::new(Hook::default()), Arc::new(OnceLock::new()));
    let (listening, address) = oneshot::channel();
    let (server, shown) = (Arc::clone(&hook), Arc::clone(&start));
    aside::run("hook", async move {
        let page = move || probes::page(schedule, shown.get().copied());
        // Whoever waits for the address may have given up.
        let _ = listening.send(server.listen(Arc::new(page)).await);
        std::future::pending::<()>().await;
    })?;
    Ok(Aside { hook, address: address.await??, start })
}

async fn drive(running: &Running, target: Target, args: &Args, schedule: Schedule, beside: &Aside) -> Result<Outcome> {
    let endpoint = Arc::new(Endpoint::new(LOAD, target, running.address));
    let batch = LOAD.protocol().batch().min(args.series / BODIES_MIN);
    let templates = Template::all(LOAD, args.series, batch);
    clock::note("  warming up, and measuring the pace that it keeps");
    pace::closed(&endpoint, &templates, None).await?;
    let calibrated = pace::closed(&endpoint, &templates, Some(CALIBRATION)).await?;
    let pace = calibrated.points as f64 / CALIBRATION.as_secs_f64();
    if let Some(api) = running.api {
        probes::introduce(Endpoint::new(probes::LOAD, target, running.address), schedule).await?;
        account::rules_are_up(api).await?;
    }
    clock::note(&format!("  {pace:.0} points a second are its pace; sending {USUAL} of it and the probes"));
    let start = *beside.start.get_or_init(|| clock::now() + BEFORE);
    let sent = match running.api {
        Some(_) => {
            let endpoint = Arc::new(Endpoint::new(probes::LOAD, target, running.address));
            Some(aside::run("probes", async move { probes::send(endpoint, schedule, start).await })?)
        }
        // It comes and looks.
        None => None,
    };
    let time = BEFORE + schedule.time();
    let points: usize = templates.iter().map(Template::points).sum();
    let bodies = pace * USUAL * templates.len() as f64 / points as f64;
    let background = pace::open(&endpoint, &templates, Offer { rate: bodies, senders: USUAL_SENDERS, time }).await?;
    if let Some(sent) = sent {
        let waits = sent.await??;
        clock::note(&format!("  a probe was told to wait {waits} times"));
    }
    let lost = background.asked() - background.taken();
    clock::note(&format!("  beside the probes {lost} of {} bodies were not taken", background.asked()));
    let latencies = all_events(schedule, start, &beside.hook).await;
    let taken = background.points as f64 / time.as_secs_f64();
    Ok(Outcome { target, background: taken, share: taken / pace, latencies })
}

/// Waits for the last events.
async fn all_events(schedule: Schedule, start: Instant, hook: &Hook) -> [events::Latencies; 2] {
    let end = clock::now() + PATIENCE;
    loop {
        let latencies = events::compare(schedule, start, &hook.posted());
        if latencies.iter().all(|way| way.seen() == way.expected) || clock::now() > end {
            return latencies;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
