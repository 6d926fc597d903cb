//! The command line.

mod check;
mod instant;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use flyball_model::UnixNanos;
use flyball_rules::evaluate::EVALUATION_EVERY_MIN;

pub(crate) use self::check::{CheckArgs, CheckFormat, Deny};
use self::instant::instant;
use crate::client::Credentials;
use crate::config::address;

/// Where a server listens unless told otherwise.
const URL_DEFAULT: &str = "http://127.0.0.1:8480";

/// The address of a server.
fn server(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
        _ => Err(format!("'{text}' is no address of a server; write http://HOST:PORT or https://…")),
    }
}

/// A time between two evaluations.
fn step(text: &str) -> Result<Duration, String> {
    match flyball_yaml::parse_duration(text)? {
        short if short < EVALUATION_EVERY_MIN => {
            Err(format!("'{text}' is too short; no rule is evaluated more often than every 100ms"))
        }
        step => Ok(step),
    }
}

/// A governor for cloud-edge estates: telemetry in, promises in SQL, a live twin, signed requests out.
#[derive(Debug, Parser)]
#[command(
    name = "flyball",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 good, 1 the thing asked for failed, 2 wrong usage, 64 bad configuration.

First steps:
  flyball serve                                        this machine's own metrics, stored in ./flyball-data
  flyball query 'SELECT * FROM flyball.metric_info'    which metrics there are
  flyball query 'SELECT * FROM node_load1'             a table for each metric"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How log lines on stderr look
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// What is logged, as tracing's filters: info, debug, flyball_runtime=debug
    #[arg(long, global = true, default_value = "info", env = "FLYBALL_LOG")]
    pub(crate) log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Serve),
    /// Check a configuration file, or print the defaults
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work on rule files
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Ask a running server in SQL
    Query(Query),
    /// Send what another program recorded to a running server
    #[command(subcommand)]
    Import(ImportCommand),
    /// Points as they arrive at a running server
    Tap(TapArgs),
    /// Read the digital twin of a running server
    Twin(TwinArgs),
    /// The account of every source of a running server: what came, and what became of it
    Ledger(LedgerArgs),
}

/// Without a configuration file it listens on loopback, stores in ./flyball-data and reads this machine's own metrics.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// Configuration file (YAML); see `flyball config default`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where series, history and spools are kept [default: ./flyball-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Rules beside those of the configuration: a file, a folder, library:NAME or library:*
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) rules: Vec<String>,
    /// Queries, twin, /metrics, OTLP/HTTP and remote write [default: 127.0.0.1:8480]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) http: Option<SocketAddr>,
    /// OTLP over gRPC [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) otlp_grpc: Option<SocketAddr>,
    /// OTLP over HTTP [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) otlp_http: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every problem of a file as file:line:column: message; exit 64 when it can't be used
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the configuration with every default and what it means
    Default,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Print what is wrong with rule files as file:line:column: message, hint and code; exit 1 when there is an error
    ///
    /// The SQL is planned against what the tests in the files send in, or against the metrics, labels, units and kinds that a server (--url)
    /// or a data folder (--data-dir) knows. docs/check.md lists the codes.
    Check(CheckArgs),
    /// Say how a rule is evaluated and why: kept up to date as points arrive, or as a plan of its own; what it shares and costs
    ///
    /// Without --url the metrics are those of the inputs of the tests in the files; with it those of a running server, and the groups are
    /// those that are kept there.
    Explain {
        /// A file, a folder, or library:NAME
        #[arg(value_name = "PATH")]
        path: String,
        /// The rule
        #[arg(value_name = "NAME")]
        rule: String,
        /// A running server
        #[arg(long, value_parser = server)]
        url: Option<String>,
        /// How it is printed
        #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
        format: ExplainFormat,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Run the tests beside the rules in simulated time; exit 1 when one fails, 64 when a file can't be used
    ///
    /// Rules are evaluated as a server does it, when data arrives and on their group's tick. What is not as expected is printed beside
    /// what was found, with a chart of how the rule went.
    #[command(after_long_help = TEST_HELP)]
    Test {
        /// Files, folders, library:NAME or library:*. The tests of a file are about its rules; those of a file without rules are about
        /// all that are given
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
        /// How results are printed
        #[arg(long, value_enum, default_value_t = TestFormat::Text)]
        format: TestFormat,
    },
    /// Play stored history back: when rules would have fired, for how long, what they would have asked; nothing is asked
    ///
    /// Rules are evaluated by the code of a server, on a grid of time; at each of its times nothing newer is there.
    #[command(after_long_help = BACKTEST_HELP)]
    Backtest(Box<BacktestArgs>),
    /// Translate rules of Prometheus, ICOS or CLASS; exit 1 when one could not be
    ///
    /// The rule file goes to stdout, the account to stderr: how many rules were translated, and each that was not, with its place and
    /// the reason. A rule is translated exactly or not at all.
    #[command(after_long_help = IMPORT_HELP)]
    Import {
        /// Whose rules they are
        #[arg(long, value_enum)]
        from: ImportFrom,
        /// The file, or - for standard input
        file: PathBuf,
        /// Where the rule file is written; it must not be there yet
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

const IMPORT_HELP: &str = "\
  flyball rules import --from prometheus node.rules.yaml --out rules/node.yaml
  flyball rules check rules/node.yaml --url http://127.0.0.1:8480

prometheus  alerting and recording rules, also PrometheusRule objects of Kubernetes
icos        policies; an expression states the bad condition, as in flyball
class       QoS definitions, tasks and SLALite agreements; a constraint states the good condition, and its opposite is written

Steps under remediate name the backends icos and rotterdam. What is translated and how: docs/import.md";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFrom {
    Prometheus,
    Icos,
    Class,
}

/// What `flyball rules backtest` is asked.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// Files, folders, library:NAME or library:*
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// A running server whose history is played back
    #[arg(long, conflicts_with = "data_dir", default_value = URL_DEFAULT, value_parser = server)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// A data folder on which no server runs; it is only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The first evaluation: RFC 3339, seconds since 1970, or before now, like -24h
    #[arg(long, value_name = "T", allow_hyphen_values = true, value_parser = instant)]
    pub(crate) from: UnixNanos,
    /// The end; now, unless said
    #[arg(long, value_name = "T", allow_hyphen_values = true, default_value = "now", value_parser = instant)]
    pub(crate) to: UnixNanos,
    /// The time from one evaluation to the next. A rule whose 'for' or 'keep_firing_for' is shorter is evaluated that often
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = step)]
    pub(crate) every: Duration,
    /// An older version of the rules: what differs is told
    #[arg(long, value_name = "RULES")]
    pub(crate) against: Vec<String>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = BacktestFormat::Table)]
    pub(crate) format: BacktestFormat,
    /// Write the timeline as a picture
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write a page with the picture and the report
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// What is a failure, beside a rule that can't be evaluated; more than one with commas
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOnWord>,
    /// Mappings of the twin, as twin.mapping names them in the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BacktestFormat {
    /// A paragraph a rule
    Table,
    /// One document
    Json,
    /// JUnit's XML: a case a rule
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOnWord {
    /// A rule that would have fired
    Firing,
    /// A rule that does something else than its version of --against
    Difference,
}

const BACKTEST_HELP: &str = "\
Examples:

  flyball rules backtest rules/ --from -24h
  flyball rules backtest rules/ --data-dir ./flyball-data --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z
  flyball rules backtest new.yaml --against old.yaml --from -7d --html week.html

Exit codes: 0 a report; 1 a rule can't be evaluated, or --fail-on holds, or there is no history; 64 bad rules.

All of it: docs/testing.md";

const TEST_HELP: &str = "\
A test, in the file of its rules:

  tests:
  - name: slow answers scale out
    input:
    - {series: 'latency_seconds{deployment=\"web\"}', every: 5s, values: '0.1x12 0.5x24'}
    expect:
    - {at: 60s, alerts: []}
    - at: 150s
      alerts: [{rule: HighLatency, labels: {deployment: web}, values: {latency_s: 0.5}}]
      actions: [{backend: k8s, action: scale_out}]

Values:  1  1x3 (1 1 1 1)  1+2x3 (1 3 5 7)  _ or _x3 (none)  stale (the series ends)
Inputs:  series, logs: {service_name: web}, power: {host: edge-1}, twin: node
States:  firing (unless said), pending, no_data, error, resolved

All of it: docs/testing.md";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// Some lines
    Text,
    /// One document
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// A line a test; of one that fails what was expected and found, and a chart
    Text,
    /// One document
    Json,
    /// JUnit's XML, for CI servers
    Junit,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Power readings of `scaphandre json`: its whole stream, or a file that it still writes to, up to here
    ///
    /// They become the metrics that Scaphandre's Prometheus exporter has, and so rows of the table power. Reports that can't be
    /// read are named by their place and the others kept; the exit code is 1 then.
    Scaphandre {
        /// The file, or - for standard input
        file: PathBuf,
        /// The server
        #[arg(long, default_value = URL_DEFAULT, value_parser = server)]
        url: String,
        #[command(flatten)]
        credentials: Credentials,
        /// The machine that it was recorded on, as the label host; the file does not say
        #[arg(long)]
        host: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The server
    #[arg(long, default_value = URL_DEFAULT, value_parser = server)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// How rows are printed; arrow is an IPC stream
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub(crate) format: QueryFormat,
    /// One SELECT
    pub(crate) sql: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryFormat {
    Table,
    Csv,
    Json,
    Arrow,
}

#[derive(Debug, Args)]
pub(crate) struct TapArgs {
    /// The server
    #[arg(long, default_value = URL_DEFAULT, value_parser = server)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// A metric, logs, spans or texts [default: the points of all metrics]
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// Only rows for which this is true, over the table's columns; without a table over time, name, value and labels
    #[arg(long, value_name = "SQL")]
    pub(crate) r#where: Option<String>,
    /// End after so many rows
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = TapFormat::Text)]
    pub(crate) format: TapFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TapFormat {
    /// A line a row, for people
    Text,
    /// A JSON object a row
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct TwinArgs {
    /// The server
    #[arg(long, default_value = URL_DEFAULT, value_parser = server)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// An instant in the past (RFC 3339); not there yet in this version
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// Whose shape
    #[arg(long, value_enum, default_value_t = TwinFormat::Native)]
    pub(crate) format: TwinFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TwinFormat {
    /// flyball's own
    Native,
    /// Not there yet in this version
    Decice,
    /// Not there yet in this version
    Icos,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// The server
    #[arg(long, global = true, default_value = URL_DEFAULT, value_parser = server)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// How it is printed
    #[arg(long, global = true, value_enum, default_value_t = LedgerFormat::Table)]
    pub(crate) format: LedgerFormat,
    #[command(subcommand)]
    pub(crate) command: Option<LedgerCommand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Print what does not balance and exit 1; else one line
    Check,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LedgerFormat {
    Table,
    Json,
}
