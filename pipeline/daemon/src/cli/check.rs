//! The arguments of `flyball rules check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flyball_rules::check::codes;

use super::server;
use crate::client::Credentials;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Files, folders, library:NAME or library:*
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// A running server whose metrics and backends the rules are checked against
    #[arg(long, conflicts_with = "data_dir", value_parser = server)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// A data folder that no server uses now, whose metrics the rules are checked against
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A configuration whose backends the steps of remediations are checked against
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub(crate) format: CheckFormat,
    /// What else than errors makes the exit code 1: warnings, or a code such as FB208
    #[arg(long, value_name = "WHAT", value_parser = deny)]
    pub(crate) deny: Vec<Deny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// A line a finding
    Text,
    /// One document
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines
    Sarif,
}

/// What is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deny {
    Warnings,
    Code(&'static str),
}

fn deny(text: &str) -> Result<Deny, String> {
    match codes::code(text) {
        _ if text == "warnings" => Ok(Deny::Warnings),
        Some(code) => Ok(Deny::Code(code.id)),
        None => Err("write warnings, or a code such as FB208".to_owned()),
    }
}
