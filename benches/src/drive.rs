//! Sends the rounds to one target, and measures.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use tokio::runtime::Runtime;

use crate::args::{Args, Load, Target};
use crate::body::{Rounds, Share};
use crate::client::Client;
use crate::process::Process;
use crate::{body, clock, targets};

const READY: Duration = Duration::from_secs(30);

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
}

/// Starts a target, warms it up, measures it and ends it; `None` where it is not installed.
pub(crate) fn measure(
    runtime: &Runtime,
    target: Target,
    load: Load,
    rounds: &Rounds,
    args: &Args,
) -> Result<Option<Measured>> {
    let Some((process, address)) = targets::start(target, load, args)? else { return Ok(None) };
    let measured = run(runtime, &process, load, address, rounds, args);
    measured.with_context(|| format!("its log:\n{}", last_lines(&process.log()))).map(Some)
}

fn run(
    runtime: &Runtime,
    process: &Process,
    load: Load,
    address: SocketAddr,
    rounds: &Rounds,
    args: &Args,
) -> Result<Measured> {
    let (warm_up, measured) = rounds.split_at(args.warm_up);
    let connect = (0..args.connections).map(|_| Client::connect(load, address));
    let mut clients = runtime.block_on(try_join_all(connect))?;
    runtime.block_on(wait_until_taken(&mut clients[0], load))?;
    runtime.block_on(send(&mut clients, warm_up))?;
    thread::sleep(args.settle());

    let before = process.usage()?;
    let start = clock::now();
    runtime.block_on(send(&mut clients, measured))?;
    let wall = start.elapsed();
    thread::sleep(args.settle());
    let after = process.usage()?;
    Ok(Measured {
        points: measured.iter().flatten().flatten().map(|(_, points)| points).sum(),
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        wall,
        peak_megabytes: after.peak_megabytes,
    })
}

/// A target may listen before it takes data: asks with requests that hold no point.
async fn wait_until_taken(client: &mut Client, load: Load) -> Result<()> {
    let start = clock::now();
    loop {
        match client.send(body::empty(load)).await {
            Err(_) if start.elapsed() < READY => tokio::time::sleep(Duration::from_millis(100)).await,
            taken => return taken.context("not even an empty request is taken"),
        }
    }
}

/// Each connection sends its share of every round, one request after the other.
async fn send(clients: &mut [Client], rounds: &[Vec<Share>]) -> Result<()> {
    let connections = clients.iter_mut().enumerate().map(|(index, client)| async move {
        for (body, _) in rounds.iter().flat_map(|round| &round[index]) {
            client.send(body.clone()).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(connections).await?;
    Ok(())
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
