//! `receivers.scrape`: jobs, under Prometheus' names where it has one.

use std::path::PathBuf;

use flyball_model::name::label_name;
use flyball_model::relabel::{Action, LabelSet, Relabel, RelabelOptions};
use flyball_receivers::scrape::{
    Auth, Discovery, HttpOptions, JobOptions, KubernetesApi, KubernetesOptions, Pem, Role, Secret, Selector, TlsOptions,
};
use flyball_yaml::{Fields, Node, Reader, Value};
use reqwest::Url;

use super::parse;
use super::read::{list, section};

const JOB_KEYS: [&str; 23] = [
    "job",
    "url",
    "every",
    "timeout",
    "labels",
    "honor_labels",
    "honor_timestamps",
    "scheme",
    "metrics_path",
    "params",
    "relabel_configs",
    "metric_relabel_configs",
    "static_configs",
    "file_sd_configs",
    "http_sd_configs",
    "kubernetes_sd_configs",
    "tls",
    "basic_auth",
    "bearer_token",
    "bearer_token_file",
    "follow_redirects",
    // One more name for each of two keys, as people know them from Prometheus.
    "scrape_interval",
    "scrape_timeout",
];
const HTTP_KEYS: [&str; 5] = ["tls", "basic_auth", "bearer_token", "bearer_token_file", "follow_redirects"];
const TLS_KEYS: [&str; 5] = ["ca", "cert", "key", "server_name", "insecure_skip_verify"];
const RELABEL_KEYS: [&str; 7] =
    ["source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"];

/// How often a discovery looks where nothing is said.
const FILES_REFRESH: std::time::Duration = std::time::Duration::from_secs(5);
const HTTP_REFRESH: std::time::Duration = std::time::Duration::from_secs(60);

/// Reads the jobs. `in_cluster` is the API server's address where we run in a pod of a cluster.
pub(super) fn read(reader: &mut Reader, nodes: &[Node], in_cluster: Option<&str>) -> Vec<JobOptions> {
    let mut jobs: Vec<JobOptions> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let what = format!("receivers.scrape[{index}]");
        let Some(fields) = reader.section(node, &what, &JOB_KEYS) else { continue };
        let Some(job) = read_job(reader, fields, in_cluster) else { continue };
        if jobs.iter().any(|other| other.job == job.job) {
            reader.error(node, format!("{what}: there is a job '{}' already; give each its own name", job.job));
        }
        jobs.push(job);
    }
    jobs
}

fn read_job(reader: &mut Reader, fields: Fields<'_>, in_cluster: Option<&str>) -> Option<JobOptions> {
    let mut job = JobOptions::new(reader.parse_required(fields, "job", parse::text)?);
    for key in ["scrape_interval", "every"] {
        reader.set(fields, key, &mut job.every, parse::positive_duration);
    }
    job.timeout = job.timeout.min(job.every);
    for key in ["scrape_timeout", "timeout"] {
        reader.set(fields, key, &mut job.timeout, parse::positive_duration);
    }
    if job.timeout > job.every {
        let message = format!("the timeout of job '{}' is longer than the time between its scrapes", job.job);
        reader.error_with_hint(fields.node(), message, "shorten timeout, or lengthen every");
    }
    if let Some(node) = fields.get("labels") {
        job.labels = read_labels(reader, node);
    }
    reader.set(fields, "honor_labels", &mut job.honor_labels, parse::truth);
    reader.set(fields, "honor_timestamps", &mut job.honor_timestamps, parse::truth);
    reader.set(fields, "scheme", &mut job.scheme, |word| match word {
        "http" | "https" => Ok(word.to_owned()),
        _ => Err(format!("'{word}' is neither http nor https")),
    });
    reader.set(fields, "metrics_path", &mut job.metrics_path, parse::text);
    if let Some(node) = fields.get("params") {
        for (name, values) in reader.entries(node, "'params'") {
            let values = reader.parse_nodes(values.one_or_more(), name.as_str(), any);
            job.params.extend(values.into_iter().map(|value| (name.as_str().to_owned(), value)));
        }
    }
    job.http = read_http(reader, fields);
    job.relabel = read_rules(reader, fields, "relabel_configs");
    job.metric_relabel = read_rules(reader, fields, "metric_relabel_configs");
    if let Some(node) = fields.get("url") {
        job.targets = reader.parse_nodes(node.one_or_more(), "url", target_of_url);
    }
    for group in list(reader, fields, "static_configs").unwrap_or_default() {
        read_static(reader, group, &mut job.targets);
    }
    read_discoveries(reader, fields, in_cluster, &mut job.discoveries);
    if job.targets.is_empty() && job.discoveries.is_empty() {
        let message = format!("job '{}' has no targets", job.job);
        let hint = "set url, static_configs, file_sd_configs, http_sd_configs or kubernetes_sd_configs";
        reader.error_with_hint(fields.node(), message, hint);
    }
    Some(job)
}

fn read_discoveries(reader: &mut Reader, fields: Fields<'_>, in_cluster: Option<&str>, into: &mut Vec<Discovery>) {
    for node in list(reader, fields, "file_sd_configs").unwrap_or_default() {
        let Some(fields) = reader.section(node, "a file discovery", &["files", "refresh_interval"]) else { continue };
        reader.require(fields, "files");
        let files = fields.get("files").map_or(&[][..], Node::one_or_more);
        let files = reader.parse_nodes(files, "files", |path| parse::text(path).map(PathBuf::from));
        let refresh = reader.parse(fields, "refresh_interval", parse::positive_duration).unwrap_or(FILES_REFRESH);
        into.push(Discovery::Files { files, refresh });
    }
    for node in list(reader, fields, "http_sd_configs").unwrap_or_default() {
        let keys = [&["url", "refresh_interval"][..], &HTTP_KEYS].concat();
        let Some(fields) = reader.section(node, "an HTTP discovery", &keys) else { continue };
        let url = reader.parse_required(fields, "url", url_without_user);
        let refresh = reader.parse(fields, "refresh_interval", parse::positive_duration).unwrap_or(HTTP_REFRESH);
        let http = Box::new(read_http(reader, fields));
        into.extend(url.map(|url| Discovery::Http { url, refresh, http }));
    }
    for node in list(reader, fields, "kubernetes_sd_configs").unwrap_or_default() {
        let options = read_kubernetes(reader, node, in_cluster);
        into.extend(options.map(|options| Discovery::Kubernetes(Box::new(options))));
    }
}

fn read_kubernetes(reader: &mut Reader, node: &Node, in_cluster: Option<&str>) -> Option<KubernetesOptions> {
    let keys = [&["role", "api_server", "kubeconfig", "namespaces", "selectors"][..], &HTTP_KEYS].concat();
    let fields = reader.section(node, "a Kubernetes discovery", &keys)?;
    let role = reader.parse_required(fields, "role", |word| {
        let words = Role::ALL.map(Role::as_str).join(", ");
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| format!("'{word}' is not one of {words}"))
    });
    let server = reader.parse(fields, "api_server", url_without_user);
    let kubeconfig = reader.parse(fields, "kubeconfig", |path| parse::text(path).map(PathBuf::from));
    if server.is_some() && kubeconfig.is_some() {
        reader.error(node, "a Kubernetes discovery has either 'api_server' or 'kubeconfig'");
    }
    if server.is_none()
        && let Some(key) = HTTP_KEYS.into_iter().find(|key| fields.get(key).is_some())
    {
        reader.error(node, format!("'{key}' of a Kubernetes discovery needs 'api_server'"));
    }
    let http = Box::new(read_http(reader, fields));
    let api = match (server, kubeconfig) {
        (Some(url), _) => KubernetesApi::Server { url, http },
        (None, Some(path)) => KubernetesApi::Kubeconfig(path),
        (None, None) => KubernetesApi::InCluster { server: in_cluster.map(str::to_owned) },
    };
    let (mut namespaces, mut own_namespace) = (Vec::new(), false);
    if let Some(fields) = section(reader, fields, "namespaces", "'namespaces'", &["names", "own_namespace"]) {
        let names = fields.get("names").map_or(&[][..], Node::one_or_more);
        namespaces = reader.parse_nodes(names, "names", parse::text);
        reader.set(fields, "own_namespace", &mut own_namespace, parse::truth);
    }
    let mut selectors = Vec::new();
    for node in list(reader, fields, "selectors").unwrap_or_default() {
        let Some(fields) = reader.section(node, "a selector", &["role", "label", "field"]) else { continue };
        // The role is there for Prometheus, where other objects may be selected beside those of the discovery's role.
        let other = reader.parse(fields, "role", |word| match role {
            Some(role) if role.as_str() != word => Err(format!("'{word}' is not the role of this discovery")),
            _ => Ok(()),
        });
        let [label, field] = ["label", "field"].map(|key| reader.parse(fields, key, any).unwrap_or_default());
        if other.is_some() || fields.get("role").is_none() {
            selectors.push(Selector { label, field });
        }
    }
    Some(KubernetesOptions { role: role?, api, namespaces, own_namespace, selectors })
}

fn read_http(reader: &mut Reader, fields: Fields<'_>) -> HttpOptions {
    let mut http = HttpOptions::default();
    reader.set(fields, "follow_redirects", &mut http.follow_redirects, parse::truth);
    if let Some(tls) = section(reader, fields, "tls", "'tls'", &TLS_KEYS) {
        let mut file = |key| reader.parse(tls, key, |path| parse::text(path).map(|path| Pem::File(path.into())));
        let [ca, cert, key] = ["ca", "cert", "key"].map(&mut file);
        if cert.is_some() != key.is_some() {
            reader.error(tls.node(), "a client certificate needs both 'cert' and 'key'");
        }
        let server_name = reader.parse(tls, "server_name", parse::text);
        let mut insecure_skip_verify = false;
        reader.set(tls, "insecure_skip_verify", &mut insecure_skip_verify, parse::truth);
        http.tls = TlsOptions { ca, cert, key, server_name, insecure_skip_verify };
    }
    let mut found = Vec::new();
    if let Some(basic) =
        section(reader, fields, "basic_auth", "'basic_auth'", &["username", "password", "password_file"])
    {
        let username = reader.parse(basic, "username", any).unwrap_or_default();
        let password = read_secret(reader, basic, "password", "password_file");
        found.push(Auth::Basic { username, password: password.unwrap_or(Secret::Text(String::new())) });
    }
    found.extend(read_secret(reader, fields, "bearer_token", "bearer_token_file").map(Auth::Bearer));
    if found.len() > 1 {
        reader.error(fields.node(), "there is both 'basic_auth' and a bearer token; a request has one of them");
    }
    http.auth = found.pop().unwrap_or(Auth::None);
    http
}

fn read_secret(reader: &mut Reader, fields: Fields<'_>, text: &str, file: &str) -> Option<Secret> {
    let value = reader.parse(fields, text, parse::text).map(Secret::Text);
    let path = reader.parse(fields, file, |path| parse::text(path).map(|path| Secret::File(path.into())));
    if value.is_some() && path.is_some() {
        reader.error(fields.node(), format!("there is both '{text}' and '{file}'; keep one of them"));
    }
    value.or(path)
}

fn read_rules(reader: &mut Reader, fields: Fields<'_>, key: &str) -> Vec<Relabel> {
    let nodes = list(reader, fields, key).unwrap_or_default();
    nodes.iter().filter_map(|node| read_rule(reader, node)).collect()
}

fn read_rule(reader: &mut Reader, node: &Node) -> Option<Relabel> {
    let fields = reader.section(node, "a relabelling rule", &RELABEL_KEYS)?;
    let labels = fields.get("source_labels").map_or(&[][..], Node::one_or_more);
    let mut options =
        RelabelOptions { source_labels: reader.parse_nodes(labels, "source_labels", any), ..RelabelOptions::default() };
    options.separator = reader.parse(fields, "separator", any);
    options.regex = reader.parse(fields, "regex", any);
    options.target_label = reader.parse(fields, "target_label", any);
    options.replacement = reader.parse(fields, "replacement", any);
    options.modulus =
        reader.parse(fields, "modulus", |text| text.parse().map_err(|_| format!("'{text}' is not a whole number")));
    let words = Action::ALL.map(Action::as_str).join(", ");
    options.action = match fields.get("action") {
        None => Action::Replace,
        Some(node) => reader.parse_node(node, "action", |word| {
            Action::from_word(word).ok_or_else(|| format!("'{word}' is not one of {words}"))
        })?,
    };
    Relabel::new(options).map_err(|error| reader.error(node, error.to_string())).ok()
}

fn read_static(reader: &mut Reader, node: &Node, into: &mut Vec<LabelSet>) {
    let Some(fields) = reader.section(node, "a static group", &["targets", "labels"]) else { return };
    reader.require(fields, "targets");
    let targets = fields.get("targets").map_or(&[][..], Node::one_or_more);
    let targets = reader.parse_nodes(targets, "targets", |address| {
        if address.is_empty() || address.contains(['/', '@']) {
            Err(format!("'{address}' is not host:port; a whole URL goes under 'url'"))
        } else {
            Ok(address.to_owned())
        }
    });
    let labels = fields.get("labels").map(|node| read_labels(reader, node)).unwrap_or_default();
    into.extend(targets.into_iter().map(|address| {
        let mut labels = labels.clone();
        labels.insert("__address__".to_owned(), address);
        labels
    }));
}

fn read_labels(reader: &mut Reader, node: &Node) -> LabelSet {
    if matches!(node.value, Value::Null) {
        return LabelSet::new();
    }
    let mut labels = LabelSet::new();
    for (name, value) in reader.entries(node, "'labels'") {
        let name = name.as_str();
        if name.is_empty() || label_name(name) != name {
            reader.error(value, format!("'{name}' is not a label's name; write letters, digits and _"));
        } else if let Some(value) = reader.parse_node(value, name, any) {
            labels.insert(name.to_owned(), value);
        }
    }
    labels
}

/// A URL as it may stand in the log and in `/api/v1/targets`.
fn url_without_user(text: &str) -> Result<String, String> {
    let text = parse::url(text)?;
    match Url::parse(&text) {
        Ok(url) if url.username().is_empty() && url.password().is_none() => Ok(text),
        _ => Err("a URL must not have a user in it; use basic_auth".to_owned()),
    }
}

/// A whole URL as the labels of a target. Its query stays with the path: as labels its parameters would lose what is no label's name
/// (`match[]`), and all but one of a name.
fn target_of_url(text: &str) -> Result<LabelSet, String> {
    let url = Url::parse(&url_without_user(text)?).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default();
    let address = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Ok(LabelSet::from([
        ("__address__".to_owned(), address),
        ("__scheme__".to_owned(), url.scheme().to_owned()),
        ("__metrics_path__".to_owned(), path),
    ]))
}

fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
