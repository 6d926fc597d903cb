//! Sends the rounds to one target, and measures.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flyball_bench::body::{self, Rounds, Share};
use flyball_bench::load::Load;
use flyball_bench::plan::Plan;
use futures::future::try_join_all;
use tokio::runtime::Runtime;

use crate::args::{Args, ENCODING};
use crate::client::{Client, Endpoint, Verdict, set_up_influxdb};
use crate::process::cpu_seconds_of_self;
use crate::targets::{self, Running, Setup, Target};
use crate::{account, clock};

/// How long a target may take from listening to taking data.
const READY: Duration = Duration::from_secs(30);

/// The bodies of a plan.
pub(crate) enum Bodies<'b> {
    /// Encoded before, the same for every target.
    Same(&'b Rounds),
    /// Encoded when their turn comes, so that their times are of now however long a target has taken until then.
    OfNow,
}

impl<'b> Bodies<'b> {
    fn rounds(&self, plan: &Plan, rounds: Range<usize>) -> Cow<'b, [Vec<Share>]> {
        match self {
            Self::Same(all) => Cow::Borrowed(&all[rounds]),
            Self::OfNow => {
                let last_at_millis = clock::unix_millis() + ENCODING.as_millis() as i64;
                Cow::Owned(body::encode_some(&Plan { last_at_millis, ..plan.clone() }, rounds))
            }
        }
    }
}

/// What a target spent on the measured rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) points: usize,
    /// CPU of the whole process, from the first measured request until it had settled.
    pub(crate) cpu_seconds: f64,
    /// From the first measured request to the last answer.
    pub(crate) wall: Duration,
    /// Over its whole life, the warm-up included.
    pub(crate) peak_megabytes: f64,
    /// How often it said "not now" to a body.
    pub(crate) waits: usize,
    /// What this program spent while it sent.
    pub(crate) own_cpu_seconds: f64,
}

/// Starts a target, warms it up, measures it and ends it; `None` where it is not installed.
pub(crate) fn measure(
    runtime: &Runtime,
    target: Target,
    plan: &Plan,
    bodies: &Bodies<'_>,
    args: &Args,
    setup: &Setup,
) -> Result<Option<Measured>> {
    let Some(running) = targets::start(target, plan, args, setup)? else { return Ok(None) };
    let endpoint = Endpoint::new(plan.load, target, running.address);
    let run = || -> Result<Measured> {
        if target == Target::Influxd2 {
            runtime.block_on(set_up_influxdb(running.address)).context("setting it up")?;
        }
        let measured = run(runtime, &running, endpoint, plan, bodies, args)?;
        if let Some(api) = running.api {
            clock::note(&format!("  {}", runtime.block_on(account::check(api, plan, setup.rules.rules))?));
        }
        Ok(measured)
    };
    running.process.explain(run()).map(Some)
}

fn run(
    runtime: &Runtime,
    running: &Running,
    endpoint: Endpoint,
    plan: &Plan,
    bodies: &Bodies<'_>,
    args: &Args,
) -> Result<Measured> {
    let endpoint = Arc::new(endpoint);
    let connect = (0..plan.connections).map(|_| Client::connect(Arc::clone(&endpoint)));
    let mut clients = runtime.block_on(try_join_all(connect))?;
    runtime.block_on(wait_until_taken(&mut clients[0], plan.load))?;
    runtime.block_on(send(&mut clients, &bodies.rounds(plan, 0..plan.warm_up)))?;
    if let Some(api) = running.api {
        runtime.block_on(account::rules_are_up(api))?;
    }
    let measured = bodies.rounds(plan, plan.warm_up..plan.rounds());
    thread::sleep(args.settle());

    let before = running.process.usage()?;
    let own_before = cpu_seconds_of_self()?;
    let start = clock::now();
    runtime.block_on(send(&mut clients, &measured))?;
    let wall = start.elapsed();
    let own_cpu_seconds = cpu_seconds_of_self()? - own_before;
    thread::sleep(args.settle());
    let after = running.process.usage()?;
    Ok(Measured {
        points: measured.iter().flatten().flatten().map(|body| body.points).sum(),
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        wall,
        peak_megabytes: after.peak_megabytes,
        waits: clients.iter().map(Client::waits).sum(),
        own_cpu_seconds,
    })
}

/// A target may listen before it takes data: asks with requests that hold no point.
pub(crate) async fn wait_until_taken(client: &mut Client, load: Load) -> Result<()> {
    let start = clock::now();
    let empty = body::empty(load);
    loop {
        match client.try_send(&empty).await {
            Ok(Verdict::Taken) => return Ok(()),
            Ok(Verdict::Refused(why)) => bail!("it does not take this load: {why}"),
            taken if start.elapsed() > READY => bail!("not even an empty request is taken: {taken:?}"),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Each connection sends its share of every round, one request after the other.
pub(crate) async fn send(clients: &mut [Client], rounds: &[Vec<Share>]) -> Result<()> {
    let connections = clients.iter_mut().enumerate().map(|(index, client)| async move {
        for body in rounds.iter().flat_map(|round| &round[index]) {
            client.send(body).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(connections).await?;
    Ok(())
}
