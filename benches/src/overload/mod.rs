//! Far more than flyball can take: does it stay within its memory, answer whom it lets in at once, tell the others when to come again, and
//! know of every point in the end?
//!
//! | module | does |
//! |---|---|
//! | `quiet` | a modest sender from another address, who must not notice |
//! | `aside` | a thread of its own for these two |
//! | `crowd` | connections that only cost: idle, slow to write, slow to read |
//! | `honest` | the ledger against what was answered |
//! | `outcome` | all of it as a table, and what is not as it should be |

mod aside;
mod crowd;
mod honest;
mod outcome;
mod quiet;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args as Arguments;
use flyball_bench::load::Load;
use tokio_util::sync::CancellationToken;

use self::outcome::Outcome;
use crate::args::Args;
use crate::client::Endpoint;
use crate::clock;
use crate::pace::{self, CALIBRATION, Offer, Template, USUAL, USUAL_SENDERS};
use crate::targets::{self, Running, Setup, Target};

/// How long the usual load lasts before, to know what is usual.
const BEFORE: Duration = Duration::from_secs(5);

/// And afterwards, to see when it is as before.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// The load of an overload.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Options {
    /// Seconds of it.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// How many times the pace that flyball keeps in a closed loop.
    #[arg(long, default_value_t = 10.0)]
    factor: f64,
    /// Bodies a second in place of that.
    #[arg(long)]
    rate: Option<f64>,
    /// Connections that send.
    #[arg(long, default_value_t = 256)]
    senders: usize,
    /// Points of a body.
    #[arg(long, default_value_t = 2_000)]
    batch: usize,
    /// OTLP over gRPC instead of HTTP.
    #[arg(long)]
    grpc: bool,
    /// Connections that say nothing.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Connections that send a byte a second: half of them of their head, half of their body.
    #[arg(long, default_value_t = 100)]
    slow_writers: usize,
    /// Connections that ask for much and never read it.
    #[arg(long, default_value_t = 20)]
    slow_readers: usize,
}

/// Runs it and prints what came of it; returns what is not as it should be.
pub(crate) fn run(args: &Args, options: &Options) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let load = if options.grpc { Load::OtlpGrpc } else { Load::OtlpHttp };
    let plan = args.plan(load, clock::unix_millis());
    let setup = Setup::of(Target::Flyball, &plan, args);
    let running =
        targets::start(Target::Flyball, &plan, args, &setup)?.context("flyball is a file, or this was an error")?;
    let done = runtime.block_on(overload(&running, load, args, options));
    running.process.explain(done)
}

async fn overload(running: &Running, load: Load, args: &Args, options: &Options) -> Result<Vec<String>> {
    let api = running.api.context("flyball has an API")?;
    let endpoint = Arc::new(Endpoint::new(load, Target::Flyball, running.address));
    let templates: Arc<[Template]> = Template::all(load, args.series, options.batch).into();
    let stop = CancellationToken::new();
    // However this ends, nobody is left standing beside.
    let _stop = stop.clone().drop_guard();

    clock::note("warming up, and measuring the pace that it keeps");
    let warmed_up = pace::closed(&endpoint, &templates, None).await?;
    let calibrated = pace::closed(&endpoint, &templates, Some(CALIBRATION)).await?;
    let pace = calibrated.taken() as f64 / CALIBRATION.as_secs_f64();
    let usual = |time| Offer { rate: pace * USUAL, senders: USUAL_SENDERS, time };
    clock::note(&format!("{pace:.0} bodies a second are its pace; a crowd gathers"));
    let (crowd, crowd_ended) = aside::crowd(running.address, api, options, &stop)?;
    crowd.gathered().await;
    let quiet = aside::quiet(&endpoint, load, args.series, &stop)?;
    let began = clock::now();
    let calm = pace::open(&endpoint, &templates, usual(BEFORE)).await?;

    let rate = options.rate.unwrap_or(pace * options.factor);
    clock::note(&format!("sending {rate:.0} bodies a second for {} s", options.seconds));
    let offer = Offer { rate, senders: options.senders, time: Duration::from_secs(options.seconds) };
    let (loaded_from, cpu) = (clock::now(), running.process.usage()?.cpu_seconds);
    let (loaded, rss) = tokio::join!(pace::open(&endpoint, &templates, offer), watch_memory(running, offer.time));
    let (loaded, rss, ended) = (loaded?, rss?, clock::now());
    let cores = (running.process.usage()?.cpu_seconds - cpu) / (ended - loaded_from).as_secs_f64();
    let afterwards = pace::open(&endpoint, &templates, usual(AFTERWARDS)).await?;
    stop.cancel();
    let quiet = quiet.await??;
    crowd_ended.await?;

    let quiet_calm = quiet.between(began, loaded_from);
    let half_a_second = (pace * USUAL / 2.0) as usize;
    let of_quiet = quiet::recovered(&quiet_calm, &quiet.between(ended, clock::now()), ended, quiet::IN_A_ROW);
    let of_usual = quiet::recovered(&calm, &afterwards, ended, half_a_second);
    let mut all = loaded.clone();
    for part in [warmed_up, calibrated, calm.clone(), afterwards, quiet.clone()] {
        all.add(part);
    }
    let honest = honest::check(api, &all).await;
    let outcome = Outcome {
        pace,
        wanted: args.server_cpu.map(|_| rate),
        cores,
        time: offer.time,
        meanwhile: quiet.between(loaded_from, ended),
        hintless: all.not_now,
        refused: all.refused,
        loaded,
        calm,
        quiet_calm,
        crowd,
        rss,
        // Both must be as before.
        recovered: of_quiet.zip(of_usual).map(|(quiet, usual)| quiet.max(usual)),
        honest,
    };
    std::io::stdout().write_all(outcome.table().as_bytes())?;
    Ok(outcome.failed().into_iter().map(str::to_owned).collect())
}

/// Mean and peak of the target's memory, in megabytes.
async fn watch_memory(running: &Running, time: Duration) -> Result<(f64, f64)> {
    let start = clock::now();
    let (mut sum, mut looks) = (0.0, 0.0);
    while start.elapsed() < time {
        sum += running.process.resident_megabytes()?;
        looks += 1.0;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok((sum / f64::max(looks, 1.0), running.process.usage()?.peak_megabytes))
}
