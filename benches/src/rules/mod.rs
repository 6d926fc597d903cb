//! What rules cost, and how fast they are.
//!
//! | module | measures |
//! |---|---|
//! | `many` | what ingest costs beside 0, 100 and 10,000 rules |
//! | `mix` | these rules |

mod many;
mod mix;

use anyhow::Result;
use clap::Subcommand;

use crate::args::Args;

/// What about them.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum What {
    /// What ingest of a million series costs beside 0, 100 and 10,000 rules, which share 100 signatures.
    Many(many::Options),
}

/// Measures and prints; returns what could not be measured.
pub(crate) fn run(args: &Args, what: &What) -> Result<Vec<String>> {
    match what {
        What::Many(options) => many::run(args, options),
    }
}
