//! The flyball program: command line, configuration, wiring, HTTP API.

mod access;
mod api;
mod cli;
mod client;
mod config;
mod excuse;
mod heaps;
mod idle;
mod listen;
mod logging;
mod reload;
mod routes;
mod rule_paths;
mod serve;
mod shutdown;
mod wiring;

mod commands {
    //! What the program does beside serving.
    pub(crate) mod config;
    pub(crate) mod import;
    pub(crate) mod ledger;
    pub(crate) mod output;
    pub(crate) mod query;
    pub(crate) mod rules;
    pub(crate) mod tap;
    pub(crate) mod twin;
}

use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::commands::output::harmless;

/// The thing asked for failed.
const EXIT_FAILED: u8 = 1;
/// The configuration can't be used.
const EXIT_CONFIGURATION: u8 = 64;

/// How long blocking calls may take to return at the end.
const BLOCKED_CALLS: Duration = Duration::from_millis(500);

/// Why the program ends other than well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit 64; each line is printed as it is.
    Configuration(Vec<String>),
    /// Exit 1.
    Failed(anyhow::Error),
    /// Exit 1; what was wrong has been printed.
    Reported,
}

impl Failure {
    /// A line for each thing that is wrong.
    fn lines(self) -> Vec<String> {
        match self {
            Self::Configuration(lines) => lines,
            Self::Failed(error) => vec![in_one_line(&error)],
            Self::Reported => Vec::new(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = logging::start(&cli.log, cli.log_format) {
        let message = format!("--log: {error}; write info, debug, or flyball_runtime=debug");
        Cli::command().error(ErrorKind::InvalidValue, message).exit();
    }
    if matches!(cli.command, Command::Serve(_)) {
        heaps::one_each_core();
    }
    // HTTPS to webhooks and stores; installed once, before anything can ask for it.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(Err(anyhow::Error::from(error).context("no async runtime could be started").into())),
    };
    let result = runtime.block_on(run(cli));
    // A blocking call that hangs (a dead mount, a dead resolver) must not keep the process.
    runtime.shutdown_timeout(BLOCKED_CALLS);
    end(result)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Config(command) => commands::config::run(&command).await,
        Command::Rules(command) => commands::rules::run(command).await,
        Command::Import(command) => commands::import::run(command).await,
        Command::Query(args) => commands::query::run(args).await,
        Command::Tap(args) => commands::tap::run(args).await,
        Command::Twin(args) => commands::twin::run(args).await,
        Command::Ledger(args) => commands::ledger::run(args).await,
    }
}

/// An error and its causes, each once: many of ours name their cause in their own words.
fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |line, cause| match cause.to_string() {
        cause if line.is_empty() => cause,
        cause if line.contains(&cause) => line,
        cause => format!("{line}: {cause}"),
    })
}

#[expect(clippy::print_stderr, reason = "the last word of a command goes to stderr, whatever is logged")]
fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(lines)) => {
            for line in lines {
                eprintln!("{}", harmless(&line));
            }
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Failed(error)) => {
            eprintln!("flyball: {}", harmless(&in_one_line(&error)));
            ExitCode::from(EXIT_FAILED)
        }
        Err(Failure::Reported) => ExitCode::from(EXIT_FAILED),
    }
}
