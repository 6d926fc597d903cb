//! What a target is started with beside its defaults.

use std::path::PathBuf;

use flyball_bench::plan::Plan;

use super::{Target, rules};
use crate::args::Args;

/// Rules, in the form of whoever evaluates them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleFile {
    /// A file of YAML.
    pub(crate) text: String,
    /// Rules in it.
    pub(crate) rules: usize,
}

/// What flyball and Prometheus are started with. The other targets take none of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// Rules that are evaluated meanwhile.
    pub(crate) rules: RuleFile,
    /// Further lines of the configuration; of flyball's those that are not written already.
    pub(crate) config: String,
    /// Where the data is kept that is to outlive the process; else it goes with it.
    pub(crate) data_dir: Option<PathBuf>,
}

impl Setup {
    /// What the loads are measured with: rules in flyball, nothing else.
    pub(crate) fn of(target: Target, plan: &Plan, args: &Args) -> Self {
        if target == Target::Flyball {
            Self::with(rules::file(plan.load.protocol(), args.rules))
        } else {
            Self::default()
        }
    }

    /// These rules, nothing else.
    pub(crate) fn with(rules: RuleFile) -> Self {
        Self { rules, ..Self::default() }
    }
}
