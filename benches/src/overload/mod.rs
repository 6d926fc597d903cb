//! Far more than flyball can take: does it stay within its memory, answer whom it lets in at once, tell the others when to come again, and
//! know of every point in the end?
//!
//! | module | does |
//! |---|---|
//! | `template` | bodies that get new times when they are sent, so that none comes twice |
//! | `load` | open loop: a body when its time has come, whatever became of those before |
//! | `quiet` | a modest sender from another address, who must not notice |
//! | `crowd` | connections that only cost: idle, slow to write, slow to read |
//! | `tally` | what was answered, and how fast |
//! | `honest` | the ledger against what was answered |
//! | `outcome` | all of it as a table, and what is not as it should be |

mod crowd;
mod honest;
mod load;
mod outcome;
mod quiet;
mod tally;
mod template;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args as Arguments;
use flyball_bench::load::Load;
use tokio_util::sync::CancellationToken;

use self::load::Offer;
use self::outcome::Outcome;
use self::quiet::Quiet;
use self::tally::Tally;
use self::template::Template;
use crate::args::Args;
use crate::client::Endpoint;
use crate::clock;
use crate::targets::{self, Running, Target};

/// How long the quiet sender is watched afterwards.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// How long the pace is measured that flyball can keep.
const CALIBRATION: Duration = Duration::from_secs(5);

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
    let running = targets::start(Target::Flyball, &args.plan(load, clock::unix_millis()), args)?
        .context("flyball is a file, or this was an error")?;
    let done = runtime.block_on(overload(&running, load, args, options));
    done.with_context(|| format!("the end of its log:\n{}", running.process.end_of_log()))
}

async fn overload(running: &Running, load: Load, args: &Args, options: &Options) -> Result<Vec<String>> {
    let api = running.api.context("flyball has an API")?;
    let endpoint = Arc::new(Endpoint::new(load, Target::Flyball, running.address));
    let templates: Arc<[Template]> = Template::all(load, args.series, options.batch).into();
    let mut counted = Tally::default();

    clock::note("warming up, and measuring the pace that it keeps");
    counted.add(load::closed(&endpoint, &templates, templates.len(), None).await?);
    let calibrated = load::closed(&endpoint, &templates, usize::MAX, Some(CALIBRATION)).await?;
    let pace = calibrated.taken() as f64 / CALIBRATION.as_secs_f64();
    counted.add(calibrated);
    let mut quiet = Quiet::connect(&endpoint, load, args.series).await?;
    let calm = quiet.send_for(Duration::from_secs(3)).await;

    let rate = options.rate.unwrap_or(pace * options.factor);
    clock::note(&format!("{pace:.0} bodies a second are its pace; sending {rate:.0} for {} s", options.seconds));
    let stop = CancellationToken::new();
    let crowd = crowd::gather(running.address, api, options.idle, options.slow_writers, options.slow_readers, &stop);
    let offer = Offer { rate, senders: options.senders, time: Duration::from_secs(options.seconds) };
    let (loaded, meanwhile, rss) = tokio::join!(
        load::open(&endpoint, &templates, offer),
        quiet.send_for(offer.time),
        watch_memory(running, offer.time),
    );
    let ended = clock::now();
    let (loaded, rss) = (loaded?, rss?);
    let afterwards = quiet.send_for(AFTERWARDS).await;
    let recovered = quiet::recovered(&calm, &afterwards, ended);
    stop.cancel();
    let crowd = crowd.await;

    let mut all = loaded.clone();
    for part in [counted, calm.clone(), meanwhile.clone(), afterwards] {
        all.add(part);
    }
    let honest = honest::check(api, &all).await;
    let outcome = Outcome { pace, time: offer.time, loaded, calm, meanwhile, crowd, rss, recovered, honest };
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
