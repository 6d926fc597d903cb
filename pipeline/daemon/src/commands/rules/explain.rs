//! `flyball rules explain`: which way a rule goes, and why.

use anyhow::{Context, anyhow};
use flyball_rules::definition::{Level, Rule, RuleFile, RuleSet};
use flyball_rules::incremental;
use flyball_rules_testing::Test;
use flyball_yaml::nearest;
use serde_json::{Value, json};

use super::samples::Samples;
use crate::cli::ExplainFormat;
use crate::client::Credentials;
use crate::commands::output::print;
use crate::rule_paths::RulePaths;
use crate::{Failure, client};

pub(super) async fn run(
    path: &str,
    name: &str,
    url: Option<String>,
    format: ExplainFormat,
    credentials: &Credentials,
) -> Result<(), Failure> {
    let paths = RulePaths::parse(&[path.to_owned()]).map_err(|error| Failure::Failed(anyhow!(error)))?;
    let (rules, problems) = paths.load(Level::Warning);
    let found = rules.files.iter().find_map(|file| Some((file, rule_of(file, name)?)));
    let Some((file, rule)) = found else {
        problems.iter().for_each(|problem| eprintln!("{problem}"));
        let names = rules.rules().map(|(_, rule)| rule.name.as_str());
        let meant = nearest(name, names).map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
        return Err(Failure::Failed(anyhow!("{path} has no good rule '{name}'{meant}")));
    };
    let explanation = match url {
        Some(url) => ask(file, name, &url, credentials).await?,
        None => offline(&rules, rule).await?,
    };
    match format {
        ExplainFormat::Json => print(&format!("{explanation:#}\n"))?,
        ExplainFormat::Text => print(&text(rule, &explanation))?,
    }
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

/// Plans against what the tests of these files send in.
async fn offline(rules: &RuleSet, rule: &Rule) -> anyhow::Result<Value> {
    let tests: Vec<Test> = rules.files.iter().flat_map(|file| flyball_rules_testing::read(file, rules).0).collect();
    let samples = Samples::of(tests.iter()).await?;
    let explanation = incremental::explain(&samples.database, &rule.sql).await.map_err(|error| {
        anyhow!(
            "{error}\nthe metrics known here are those of the inputs of the files' tests; --url asks a running server"
        )
    })?;
    Ok(json!(explanation))
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
            let joins: Vec<_> =
                explanation["joins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if !joins.is_empty() {
                lines.push(format!("  looks rows of {} up, and follows their changes too", joins.join(" and ")));
            }
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
