//! From what discovery found to a target: its address, its rhythm, and the labels of its series.
//!
//! Source: Prometheus' documentation of `relabel_configs` and `scrape_config`. As in Prometheus 3, no port is added to
//! `__address__`.

use std::time::Duration;

use flyball_model::name::label_name;
use flyball_model::relabel::{LabelSet, Relabel};
use reqwest::Url;

use super::options::JobOptions;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAM: &str = "__param_";
const META: &str = "__";

/// Scrapes closer together than this would measure mostly themselves.
pub(super) const EVERY_MIN: Duration = Duration::from_millis(100);

/// Something to scrape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The labels that its series get: all that do not begin with `__`.
    pub(super) labels: LabelSet,
    pub(super) every: Duration,
    pub(super) timeout: Duration,
}

/// What became of a discovered label set.
#[derive(Debug)]
pub(super) enum Found {
    Target(Target),
    /// A rule dropped it.
    Dropped,
}

impl Target {
    /// What it is known by: two that agree in all of it are one.
    pub(super) fn identity(&self) -> String {
        format!("{} {:?} {:?} {:?}", self.url, self.labels, self.every, self.timeout)
    }
}

/// Makes a target of what was discovered.
///
/// # Errors
/// A sentence, when the labels do not make an address.
pub(super) fn target(job: &JobOptions, discovered: &LabelSet) -> Result<Found, String> {
    let mut labels = before_relabelling(job, discovered);
    if !Relabel::apply(&job.relabel, &mut labels) {
        return Ok(Found::Dropped);
    }
    let get = |name: &str| labels.get(name).map_or("", String::as_str);
    let address = get(ADDRESS).to_owned();
    if address.is_empty() {
        return Err("it has no __address__".to_owned());
    }
    let url = url(get(SCHEME), &address, get(METRICS_PATH), job, &labels)?;
    let every = duration(get(INTERVAL)).ok_or_else(|| format!("__scrape_interval__ '{}' is none", get(INTERVAL)))?;
    let timeout = duration(get(TIMEOUT)).ok_or_else(|| format!("__scrape_timeout__ '{}' is none", get(TIMEOUT)))?;
    labels.retain(|name, _| !name.starts_with(META));
    labels.entry("instance".to_owned()).or_insert(address);
    let every = every.max(EVERY_MIN);
    Ok(Found::Target(Target { url, labels, every, timeout: timeout.min(every) }))
}

/// All labels that the rules see; also what `/api/v1/targets` shows as discovered.
pub(super) fn before_relabelling(job: &JobOptions, discovered: &LabelSet) -> LabelSet {
    let mut labels: LabelSet =
        discovered.iter().map(|(name, value)| (label_name(name).into_owned(), value.clone())).collect();
    let defaults = [
        ("job", job.job.clone()),
        (SCHEME, job.scheme.clone()),
        (METRICS_PATH, job.metrics_path.clone()),
        (INTERVAL, format!("{}ms", job.every.as_millis())),
        (TIMEOUT, format!("{}ms", job.timeout.as_millis())),
    ];
    for (name, value) in &job.labels {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (name, value) in defaults {
        labels.entry(name.to_owned()).or_insert(value);
    }
    for (name, value) in &job.params {
        labels.entry(format!("{PARAM}{}", label_name(name))).or_insert_with(|| value.clone());
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn url(scheme: &str, address: &str, path: &str, job: &JobOptions, labels: &LabelSet) -> Result<Url, String> {
    if !matches!(scheme, "http" | "https") {
        return Err(format!("__scheme__ is '{scheme}' and must be http or https"));
    }
    if address.contains(['/', '?', '#', '@']) {
        return Err(format!("__address__ '{address}' is not host:port"));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url = Url::parse(&format!("{scheme}://{address}{slash}{path}"))
        .map_err(|error| format!("'{scheme}://{address}{slash}{path}' is not a URL: {error}"))?;
    // A parameter's first value can be relabelled; the others stay.
    let mut seen: Vec<&str> = Vec::new();
    let mut params: Vec<(String, String)> = Vec::new();
    for (name, value) in &job.params {
        let first = !seen.contains(&name.as_str());
        seen.push(name);
        let relabelled = labels.get(&format!("{PARAM}{}", label_name(name)));
        match relabelled {
            Some(relabelled) if first => params.push((name.clone(), relabelled.clone())),
            None if first => {}
            _ => params.push((name.clone(), value.clone())),
        }
    }
    for (name, value) in labels {
        if let Some(name) = name.strip_prefix(PARAM)
            && !seen.iter().any(|known| label_name(known) == name)
        {
            params.push((name.to_owned(), value.clone()));
        }
    }
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    Ok(url)
}

/// A duration above zero as Prometheus writes it: `1h30m`, `15s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut millis: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    (millis > 0).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use flyball_model::relabel::RelabelOptions;

    use super::*;

    fn set(labels: &[(&str, &str)]) -> LabelSet {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn rule(source: &str, target: &str, regex: &str) -> Relabel {
        Relabel::new(RelabelOptions {
            source_labels: vec![source.to_owned()],
            target_label: Some(target.to_owned()),
            regex: Some(regex.to_owned()),
            ..RelabelOptions::default()
        })
        .expect("a good rule")
    }

    fn found(job: &JobOptions, discovered: &[(&str, &str)]) -> Target {
        match target(job, &set(discovered)) {
            Ok(Found::Target(target)) => target,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_discovered_address_becomes_a_url_and_an_instance() {
        let job = JobOptions::new("j");
        let target = found(&job, &[("__address__", "h:9100"), ("__meta_x", "1"), ("env", "lab"), ("empty", "")]);
        assert_eq!(target.url.as_str(), "http://h:9100/metrics");
        assert_eq!(target.labels, set(&[("env", "lab"), ("instance", "h:9100"), ("job", "j")]));
        assert_eq!((target.every, target.timeout), (Duration::from_secs(15), Duration::from_secs(10)));
    }

    #[test]
    fn rules_rewrite_everything_about_a_target() {
        let job = JobOptions {
            labels: set(&[("env", "prod"), ("team", "a")]),
            params: vec![
                ("target".into(), "x".into()),
                ("match[]".into(), "{a=\"b\"}".into()),
                ("match[]".into(), "c".into()),
            ],
            relabel: vec![
                rule("__meta_path", "__metrics_path__", "(.+)"),
                rule("__meta_scheme", "__scheme__", "(.+)"),
                rule("__address__", "__param_target", "(.*)"),
                rule("__meta_name", "instance", "(.+)"),
                rule("__meta_every", "__scrape_interval__", "(.+)"),
            ],
            ..JobOptions::new("j")
        };
        let target = found(
            &job,
            &[
                ("__address__", "[::1]:1"),
                ("__meta_path", "probe"),
                ("__meta_scheme", "https"),
                ("__meta_name", "db"),
                ("__meta_every", "1m500ms"),
                ("env", "lab"),
                ("job", "own"),
            ],
        );
        assert_eq!(
            target.url.as_str(),
            "https://[::1]:1/probe?target=%5B%3A%3A1%5D%3A1&match%5B%5D=%7Ba%3D%22b%22%7D&match%5B%5D=c"
        );
        assert_eq!(target.labels, set(&[("env", "lab"), ("instance", "db"), ("job", "own"), ("team", "a")]));
        assert_eq!((target.every, target.timeout), (Duration::from_millis(60_500), Duration::from_secs(10)));
    }

    #[test]
    fn a_path_may_have_a_query_and_parameters_follow_it() {
        let path = [("__address__", "h"), ("__metrics_path__", "/federate?match[]=a&match[]=b%20c")];
        let job = JobOptions::new("j");
        assert_eq!(found(&job, &path).url.as_str(), "http://h/federate?match[]=a&match[]=b%20c");
        let job = JobOptions { params: vec![("x".to_owned(), "1".to_owned())], ..job };
        assert_eq!(found(&job, &path).url.as_str(), "http://h/federate?match[]=a&match[]=b%20c&x=1");
    }

    #[test]
    fn what_makes_no_address_says_why() {
        let job = JobOptions::new("j");
        for (labels, expected) in [
            (&[("a", "b")][..], "it has no __address__"),
            (&[("__address__", "h/x")], "'h/x' is not host:port"),
            (&[("__address__", "h"), ("__scheme__", "ftp")], "__scheme__ is 'ftp'"),
            (&[("__address__", "h:port")], "is not a URL"),
            (&[("__address__", "h"), ("__scrape_interval__", "5")], "__scrape_interval__ '5' is none"),
        ] {
            let error = target(&job, &set(labels)).expect_err("no target");
            assert!(error.contains(expected), "{error}");
        }
    }
}
