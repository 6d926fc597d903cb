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
        return Err(Failure::Failed(no_rule(path, name, &rules)));
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

/// Says which rules are meant by a name that is none.
fn no_rule(path: &str, name: &str, rules: &RuleSet) -> anyhow::Error {
    let rules = || rules.rules().map(|(_, rule)| rule);
    let made = rules().filter(|rule| rule.slo.as_ref().is_some_and(|slo| slo.name == name));
    let made: Vec<_> = made.map(|rule| format!("'{}'", rule.name)).collect();
    if !made.is_empty() {
        return anyhow!("'{name}' is an objective, which makes several rules; name one of {}", made.join(", "));
    }
    let meant = nearest(name, rules().map(|rule| rule.name.as_str()));
    let meant = meant.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
    anyhow!("{path} has no good rule '{name}'{meant}")
}

async fn ask(file: &RuleFile, rule: &str, url: &str, credentials: &Credentials) -> anyhow::Result<Value> {
    let asked = json!({"name": file.name, "text": file.source.text(), "rule": rule});
    let request = credentials.client()?.post(client::at(url, "/api/v1/rules/explain")).json(&asked);
    serde_json::from_slice(&client::ask(request, url).await?).context("the server's answer is not JSON")
}

/// Plans against what the tests of these files send in, and what their rules record.
async fn offline(rules: &RuleSet, rule: &Rule) -> anyhow::Result<Value> {
    let tests: Vec<Test> = rules.files.iter().flat_map(|file| flyball_rules_testing::read(file, rules).0).collect();
    let samples = Samples::of(tests.iter()).await?;
    let recorded = samples.record_for(rule, rules).await;
    let explanation = incremental::explain(&samples.database, &rule.sql).await.map_err(|error| {
        let error = match recorded {
            Err((other, cause)) => format!("{error}\nit reads what '{}' records, and that can't be planned: {cause}", other.name),
            Ok(()) => error.to_string(),
        };
        anyhow!(
            "{error}\nthe metrics known here are those of the inputs of the files' tests, and what rules record of them; --url asks a running server"
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
            lines.push(match rule.record {
                Some(_) => "plan: run over the stored points on its group's tick".to_owned(),
                None => "plan: run over the stored points when data arrives and on its tick".to_owned(),
            });
            lines.extend(string("reason").map(|reason| format!("  since {reason}")));
            lines.extend(string("hint").map(|hint| format!("  hint: {hint}")));
        }
    }
    lines.extend(string("plan").unwrap_or_default().lines().map(|line| format!("    {line}")));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use flyball_rules::definition::from_str;

    use super::*;

    const FILE: &str = "
groups:
- name: g
  rules:
  - {rule: OnB, sql: 'SELECT host, site, value AS v FROM latest(rec_b)'}
  - {record: rec_b, sql: 'SELECT host, value * 2 AS value FROM latest(rec_a)', labels: {site: n}}
  - {record: rec_a, sql: 'SELECT host, value FROM latest(m)'}
  - {rule: OnNothing, sql: SELECT value FROM rec_n}
  - {record: rec_n, sql: SELECT value FROM nothing}
  - rule: Web
    slo:
      objective: 99.9
      good: SELECT service, sum(value) AS value FROM increase(requests, INTERVAL '{{ window }}') WHERE code < '500' GROUP BY service
      total: SELECT service, sum(value) AS value FROM increase(requests, INTERVAL '{{ window }}') GROUP BY service
tests:
- name: t
  input:
  - {series: 'm{host=\"a\"}', every: 5s, values: '1x5'}
  - {series: 'requests{service=\"s\",code=\"200\"}', every: 5s, values: '0+1x5'}
  expect: [{at: 10s, alerts: []}]
";

    fn rules() -> RuleSet {
        RuleSet { files: vec![from_str("r.yaml", FILE).expect("good rules")] }
    }

    #[tokio::test]
    async fn rules_that_read_what_others_record_are_explained() {
        let rules = rules();
        for (name, mode) in [
            ("OnB", "incremental"),
            ("rec_b{site=\"n\"}", "incremental"),
            ("Web_1h", "plan"),
            ("slo_burn_rate{slo=\"Web\"}", "plan"),
        ] {
            let rule = rules.files.iter().find_map(|file| rule_of(file, name)).expect(name);
            let explanation = offline(&rules, rule).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(explanation["mode"], mode, "{name}: {explanation}");
        }
        let rule = rules.files.iter().find_map(|file| rule_of(file, "OnNothing")).expect("it is there");
        let error = offline(&rules, rule).await.expect_err("nothing is known of it").to_string();
        assert!(
            error.contains("it reads what 'rec_n' records, and that can't be planned: unknown table 'nothing'"),
            "{error}"
        );
    }

    #[test]
    fn the_rules_of_an_objective_are_named() {
        let error = no_rule("r.yaml", "Web", &rules()).to_string();
        assert!(
            error.starts_with("'Web' is an objective, which makes several rules; name one of 'slo_events{"),
            "{error}"
        );
        assert!(error.ends_with("'Web_1h', 'Web_6h', 'Web_1d', 'Web_3d'"), "{error}");
        let error = no_rule("r.yaml", "Onb", &rules()).to_string();
        assert_eq!(error, "r.yaml has no good rule 'Onb'; did you mean 'OnB'?");
    }
}
