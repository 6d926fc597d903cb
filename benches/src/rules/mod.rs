//! What rules cost, and how fast they are.
//!
//! | module | measures |
//! |---|---|
//! | `many` | what ingest costs beside 0, 100 and 10,000 rules |
//! | `peers` | what a thousand rules cost flyball, Prometheus 3 and vmalert |
//! | `plan` | how long a rule takes that is run as a plan |
//! | `backtest` | how fast a stored day is played back |
//! | `mix` | the rules of both |
//! | `history` | points of times past |
//! | `realtime` | series that send in real time |

mod backtest;
mod history;
mod many;
mod mix;
mod peers;
mod plan;
mod realtime;

use anyhow::Result;
use clap::Subcommand;

use crate::args::Args;

/// What about them.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum What {
    /// What ingest of a million series costs beside 0, 100 and 10,000 rules, which share 100 signatures.
    Many(many::Options),
    /// What a thousand rules cost flyball, Prometheus 3 and VictoriaMetrics with vmalert while series send every 15 s, in real time.
    Peers(peers::Options),
    /// How long a rule takes that is run as a plan, over an hour of 100,000 series.
    Plan(plan::Options),
    /// How many times faster than real time 100 rules are played back over a stored day of 10,000 series.
    Backtest(backtest::Options),
}

/// Measures and prints; returns what could not be measured.
pub(crate) fn run(args: &Args, what: &What) -> Result<Vec<String>> {
    match what {
        What::Many(options) => many::run(args, options),
        What::Peers(options) => peers::run(args, options),
        What::Plan(options) => plan::run(args, options),
        What::Backtest(options) => backtest::run(args, options),
    }
}
