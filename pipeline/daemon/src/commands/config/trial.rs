//! What only shows when the parts of a server are made: `serve` would find it, so a check does too. Nothing is listened to, asked or written.

use std::path::Path;
use std::sync::Arc;

use flyball_model::{Clock, WallClock};
use flyball_rules::definition::Level;
use flyball_yaml::{Node, Place, Problem, Source};
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::access::Known;
use crate::config::{Config, TokenSecret};
use crate::excuse::check_without_points;
use crate::reload::actions;
use crate::rule_paths::RulePaths;
use crate::wiring;

/// Everything that keeps the parts from being made. A file that is not there is a warning: the check may be made on another machine.
pub(super) fn problems(config: &Config, source: &Source) -> Vec<Problem> {
    let Ok(root) = flyball_yaml::parse(source) else { return Vec::new() };
    let at = |keys: &[&str]| place(source, &root, keys);
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let mut problems = Vec::new();

    for name in config.backends.keys() {
        if let Err(message) = wiring::backend(config, name, &clock, &CancellationToken::new()) {
            problems.push(Problem::error(at(&["backends", name]), message));
        }
    }
    for (index, options) in wiring::influx_options(config).enumerate() {
        if let Err(error) = options.check() {
            let message = format!("store.influxdb[{index}]: {error}");
            problems.push(Problem::error(at(&["store", "influxdb"]), message));
        }
    }
    let tls = config.http.tls.iter();
    let tls_files = tls.flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]).flatten();
    let token_files = config.http.tokens.iter().filter_map(|token| match &token.secret {
        TokenSecret::File(path) => Some(path),
        TokenSecret::Digest(_) => None,
    });
    let rules = config.rules.iter().flatten();
    let parsed: Vec<_> = rules.map(|path| RulePaths::parse(&[path])).collect();
    let rule_files = parsed.iter().flatten().flat_map(|paths| &paths.files);
    problems.extend(missing(tls_files, &at(&["http", "tls"])));
    problems.extend(missing(token_files, &at(&["http", "tokens"])));
    problems.extend(missing(&config.twin.mapping, &at(&["twin", "mapping"])));
    problems.extend(missing(rule_files, &at(&["rules"])));
    problems.extend(
        parsed.iter().filter_map(|paths| paths.as_ref().err()).map(|message| Problem::error(at(&["rules"]), message)),
    );
    let is_missing = |section: &Place| problems.iter().any(|problem| !problem.is_error() && problem.place == *section);

    let mut found = Vec::new();
    let mut tried = |keys: &[&str], lines: Vec<String>| {
        let place = at(keys);
        if !is_missing(&place) {
            found.extend(lines.into_iter().map(|line| Problem::error(place.clone(), line)));
        }
    };
    tried(&["http", "tls"], lines(wiring::certificates(config)));
    tried(&["http", "tokens"], Known::load(&config.http, &clock).err().unwrap_or_default());
    tried(&["twin", "mapping"], lines(wiring::twin(config)));
    problems.extend(found);
    problems
}

/// Everything that keeps the rules from being put in force, before any point has come.
pub(super) async fn rules(config: &Config) -> Vec<Problem> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let paths: Vec<_> = config.rules.iter().flatten().collect();
    // What is wrong with paths and backends was told.
    let (Ok(mut paths), Ok(backends)) =
        (RulePaths::parse(&paths), wiring::backends(config, &clock, &CancellationToken::new()))
    else {
        return Vec::new();
    };
    paths.files.retain(|path| path.exists());
    let loading = tokio::task::spawn_blocking(move || paths.load(Level::Error));
    let (rules, mut problems) = loading.await.expect("reading rule files does not panic");
    problems.extend(check_without_points(&rules, &actions(&backends)).await);
    problems.retain(Problem::is_error);
    problems
}

fn lines<T>(made: Result<T, Failure>) -> Vec<String> {
    made.err().map(Failure::lines).unwrap_or_default()
}

/// Where the value of the last of these keys stands, or as far as they lead.
fn place(source: &Source, root: &Node, keys: &[&str]) -> Place {
    let mut node = root;
    for key in keys {
        let Some(below) = node.get(key) else { break };
        node = below;
    }
    source.place(node.range.start)
}

fn missing<'a>(files: impl IntoIterator<Item = impl AsRef<Path> + 'a>, place: &Place) -> Vec<Problem> {
    let gone = |file: &Path| file.try_exists().is_ok_and(|there| !there);
    files
        .into_iter()
        .filter(|file| gone(file.as_ref()))
        .map(|file| {
            let message = format!("there is no {} here, and `flyball serve` needs it", file.as_ref().display());
            Problem::warning(place.clone(), message)
        })
        .collect()
}
