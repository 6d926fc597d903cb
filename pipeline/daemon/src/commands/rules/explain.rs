//! `flyball rules explain`: which way a rule goes, and why.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use flyball_model::{Shape, UnixNanos};
use flyball_rules::definition::{Rule, RuleFile};
use flyball_rules::incremental;
use flyball_store::{Store, StoreOptions};
use flyball_yaml::nearest;
use serde_json::{Value, json};

use crate::cli::ExplainFormat;
use crate::client::Credentials;
use crate::rule_paths::RulePaths;
use crate::{Failure, client, wiring};

pub(super) async fn run(
    path: &str,
    name: &str,
    url: Option<String>,
    format: ExplainFormat,
    credentials: &Credentials,
) -> Result<(), Failure> {
    let paths = RulePaths::parse(&[path.to_owned()]).map_err(|error| Failure::Failed(anyhow!(error)))?;
    let (rules, problems) = paths.load();
    let found = rules.files.iter().find_map(|file| Some((file, rule_of(file, name)?)));
    let Some((file, rule)) = found else {
        problems.iter().for_each(|problem| eprintln!("{problem}"));
        let names = rules.rules().map(|(_, rule)| rule.name.as_str());
        let meant = nearest(name, names).map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
        return Err(Failure::Failed(anyhow!("{path} has no good rule '{name}'{meant}")));
    };
    let explanation = match url {
        Some(url) => ask(file, name, &url, credentials).await?,
        None => offline(file, rule).await?,
    };
    let mut stdout = std::io::stdout().lock();
    match format {
        ExplainFormat::Json => writeln!(stdout, "{explanation:#}"),
        ExplainFormat::Text => write!(stdout, "{}", text(rule, &explanation)),
    }
    .context("stdout is closed")?;
    Ok(())
}

fn rule_of<'f>(file: &'f RuleFile, name: &str) -> Option<&'f Rule> {
    file.groups.iter().flat_map(|group| &group.rules).find(|rule| rule.name == name)
}

async fn ask(file: &RuleFile, rule: &str, url: &str, credentials: &Credentials) -> anyhow::Result<Value> {
    let asked = json!({"name": file.name, "text": file.source.text(), "rule": rule});
    let request = credentials.client()?.post(client::at(url, "/api/v1/rules/explain")).json(&asked);
    serde_json::from_slice(&client::ask(request, url).await?).context("the server's answer is not JSON")
}

/// Plans against a store that knows the series of the file's tests.
async fn offline(file: &RuleFile, rule: &Rule) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir().context("no folder for an empty store could be made")?;
    let dir = folder.path().to_owned();
    let store = tokio::task::spawn_blocking(move || Store::open(&dir, StoreOptions::default())).await??;
    let all = flyball_rules::definition::RuleSet { files: vec![file.clone()] };
    let (tests, _) = flyball_rules_testing::read(file, &all);
    for (metric, labels) in tests.iter().flat_map(|test| test.series()) {
        meet(&store, metric, labels)?;
    }
    let database = wiring::checking_database(&store);
    let explanation = incremental::explain(&database, &rule.sql).await.map_err(|error| {
        anyhow!(
            "{error}\nthe metrics known here are those of the inputs of the file's tests; --url asks a running server"
        )
    })?;
    Ok(json!(explanation))
}

fn meet(store: &Arc<Store>, metric: &str, labels: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let met = store.registry().resolve(metric, Shape::Numbers, &labels, UnixNanos(0));
    met.map(drop).map_err(|refusal| anyhow!("the series '{metric}' of a test can't be taken: {refusal:?}"))
}

fn text(rule: &Rule, explanation: &Value) -> String {
    let mut lines = vec![format!("{} ({}), version {}", rule.name, rule.place, rule.version)];
    let string = |key: &str| explanation[key].as_str();
    match string("mode") {
        Some("incremental") => {
            let seconds = |key: &str| explanation[key].as_f64().unwrap_or_default();
            lines.push("incremental: kept up to date as points arrive".to_owned());
            lines.push(format!(
                "  window {} s, whose far edge moves in steps of {} s",
                seconds("window_s"),
                seconds("step_s")
            ));
            let groups = &explanation["groups"];
            let number = |key: &str| groups[key].as_u64().unwrap_or_default();
            if groups.is_object() {
                let mib = number("bytes") as f64 / (1024.0 * 1024.0);
                lines.push(format!(
                    "  kept there: {} series in {} groups, {mib:.1} MiB, looked at by {} rules",
                    number("series"),
                    number("groups"),
                    number("shared_with")
                ));
                if let Some(cost) = groups["cpu_s_per_million_points"].as_f64() {
                    lines.push(format!(
                        "  {cost:.3} CPU s per million points of the metric, for all of these rules together"
                    ));
                }
            }
        }
        _ => {
            lines.push("plan: run over the stored points when data arrives and on its tick".to_owned());
            lines.extend(string("reason").map(|reason| format!("  since {reason}")));
            lines.extend(string("hint").map(|hint| format!("  hint: {hint}")));
        }
    }
    lines.extend(string("plan").unwrap_or_default().lines().map(|line| format!("    {line}")));
    lines.push(String::new());
    lines.join("\n")
}
