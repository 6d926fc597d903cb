//! `flyball config`.

mod trial;

use std::io::Write;

use anyhow::Context;
use flyball_yaml::{Source, in_order};

use crate::Failure;
use crate::cli::ConfigCommand;
use crate::config;

pub(crate) async fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Default => {
            std::io::stdout().write_all(config::DEFAULT_YAML.as_bytes()).context("stdout is closed")?
        }
        ConfigCommand::Check { file } => {
            let name = file.display().to_string();
            let unreadable = |error| Failure::Configuration(vec![config::unreadable(&name, &error)]);
            let mut loaded = config::load(Some(file)).map_err(unreadable)?;
            if !loaded.is_broken() {
                let source = Source::new(&name, std::fs::read_to_string(file).map_err(unreadable)?);
                loaded.problems.extend(trial::problems(&loaded.config, &source));
                loaded.problems = in_order(loaded.problems);
                loaded.problems.extend(trial::rules(&loaded.config).await);
            }
            let mut stdout = std::io::stdout().lock();
            for problem in &loaded.problems {
                writeln!(stdout, "{problem}").context("stdout is closed")?;
            }
            if loaded.is_broken() {
                // What is wrong was the answer asked for, so it is on stdout.
                return Err(Failure::Configuration(Vec::new()));
            }
            writeln!(stdout, "{name}: good").context("stdout is closed")?;
        }
    }
    Ok(())
}
