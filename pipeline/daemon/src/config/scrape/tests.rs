use std::time::Duration;

use super::super::read::read as read_config;
use super::*;

fn check(jobs: &str, expected: &[&str]) {
    let text = format!("receivers:\n  scrape:\n{jobs}");
    let loaded = read_config("f.yaml", &text, |name| (name == "TOKEN").then(|| "t0ken".to_owned()));
    let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{text}");
}

fn jobs(jobs: &str) -> Vec<JobOptions> {
    check(jobs, &[]);
    let text = format!("receivers:\n  scrape:\n{jobs}");
    read_config("f.yaml", &text, |name| (name == "TOKEN").then(|| "t0ken".to_owned())).config.receivers.scrape
}

fn set(labels: &[(&str, &str)]) -> LabelSet {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_short_form_is_a_job_with_one_url() {
    let read =
        jobs("  - {job: scaphandre, url: \"http://127.0.0.1:8080/metrics\", every: 5s, labels: {host: edge-1}}\n");
    let expected = JobOptions {
        every: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        labels: set(&[("host", "edge-1")]),
        targets: vec![set(&[
            ("__address__", "127.0.0.1:8080"),
            ("__metrics_path__", "/metrics"),
            ("__scheme__", "http"),
        ])],
        ..JobOptions::new("scaphandre")
    };
    assert_eq!(read, [expected]);
}

#[test]
fn the_long_form_is_prometheus() {
    let read = jobs(
        "  - job: all
    url: [\"https://h/a?x=1\", \"http://[::1]:9/\"]
    scrape_interval: 30s
    scrape_timeout: 20s
    honor_labels: true
    honor_timestamps: false
    scheme: https
    metrics_path: /probe
    params: {module: [http_2xx, icmp], target: x}
    follow_redirects: false
    bearer_token: \"${TOKEN}\"
    tls: {ca: ca.pem, cert: c.pem, key: k.pem, server_name: n, insecure_skip_verify: true}
    relabel_configs:
    - {source_labels: [__meta_x, y], regex: (.+);.*, target_label: z, replacement: \"${1}-$1\"}
    metric_relabel_configs:
    - {source_labels: __name__, regex: go_.*, action: drop}
    static_configs:
    - {targets: ['a:1', 'b:2'], labels: {env: lab}}
    file_sd_configs: [{files: ['t*.json', u.yml], refresh_interval: 1s}]
    http_sd_configs: [{url: 'http://d/sd', basic_auth: {username: u, password_file: p}}]
    kubernetes_sd_configs:
    - {role: pod, kubeconfig: k, namespaces: {names: [shop], own_namespace: true}, selectors: [{role: pod, label: app=web}]}
    - {role: node, api_server: 'https://k:6443', bearer_token_file: t}
    - {role: service}
",
    );
    let [job] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!((job.every, job.timeout), (Duration::from_secs(30), Duration::from_secs(20)));
    assert!(job.honor_labels && !job.honor_timestamps && !job.http.follow_redirects);
    assert_eq!((job.scheme.as_str(), job.metrics_path.as_str()), ("https", "/probe"));
    let param = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(job.params, [param("module", "http_2xx"), param("module", "icmp"), param("target", "x")]);
    assert_eq!(job.http.auth, Auth::Bearer(Secret::Text("t0ken".to_owned())));
    let tls = &job.http.tls;
    assert_eq!((tls.ca.clone(), tls.server_name.as_deref()), (Some(Pem::File("ca.pem".into())), Some("n")));
    assert!(tls.insecure_skip_verify && tls.cert.is_some() && tls.key.is_some());
    let mut labels = set(&[("__meta_x", "a"), ("y", "b")]);
    assert!(Relabel::apply(&job.relabel, &mut labels));
    assert_eq!(labels["z"], "a-a", "groups are not the environment's");
    assert!(!Relabel::apply(&job.metric_relabel, &mut set(&[("__name__", "go_threads")])));
    let addresses: Vec<_> = job.targets.iter().map(|labels| labels["__address__"].as_str()).collect();
    assert_eq!(addresses, ["h", "[::1]:9", "a:1", "b:2"]);
    assert_eq!((job.targets[0]["__metrics_path__"].as_str(), job.targets[3]["env"].as_str()), ("/a?x=1", "lab"));
    let [
        Discovery::Files { files, refresh },
        Discovery::Http { url, http, .. },
        Discovery::Kubernetes(pods),
        Discovery::Kubernetes(nodes),
        Discovery::Kubernetes(services),
    ] = job.discoveries.as_slice()
    else {
        panic!("{:?}", job.discoveries)
    };
    assert_eq!((files.len(), *refresh, url.as_str()), (2, Duration::from_secs(1), "http://d/sd"));
    assert!(matches!(&http.auth, Auth::Basic { username, password: Secret::File(_) } if username == "u"));
    assert_eq!((pods.role, &pods.api), (Role::Pod, &KubernetesApi::Kubeconfig("k".into())));
    assert_eq!((pods.namespaces.as_slice(), pods.own_namespace), (&["shop".to_owned()][..], true));
    assert_eq!(pods.selectors, [Selector { label: "app=web".to_owned(), field: String::new() }]);
    assert!(matches!(&nodes.api, KubernetesApi::Server { url, .. } if url == "https://k:6443"));
    assert!(matches!(&services.api, KubernetesApi::InCluster { .. }));
}

#[test]
fn the_query_of_a_url_is_asked_as_it_was_written() {
    let read = jobs("  - {job: a, url: 'http://h/federate?match[]=up&match[]=%7Bjob%3D%22b%22%7D#x'}\n");
    assert_eq!(read[0].targets[0]["__metrics_path__"], "/federate?match[]=up&match[]=%7Bjob%3D%22b%22%7D");
}

#[test]
fn secrets_are_not_shown() {
    let read = jobs("  - {job: a, url: 'http://h/', basic_auth: {username: u, password: hidden}}\n");
    assert!(!format!("{read:?}").contains("hidden"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (yaml, expected) in [
        ("  - {url: 'http://h/'}\n", &["f.yaml:3:5: receivers.scrape[0] needs 'job'"][..]),
        (
            "  - {job: a}\n",
            &[
                "f.yaml:3:5: job 'a' has no targets (set url, static_configs, file_sd_configs, http_sd_configs or kubernetes_sd_configs)",
            ],
        ),
        (
            "  - {job: a, url: h}\n",
            &[
                "f.yaml:3:5: job 'a' has no targets (set url, static_configs, file_sd_configs, http_sd_configs or kubernetes_sd_configs)",
                "f.yaml:3:19: url: 'h' is not a URL; write http://host:port/path or https://…",
            ],
        ),
        (
            "  - {job: a, url: 'http://u:p@h/', http_sd_configs: [{url: 'http://u@h/'}]}\n",
            &[
                "f.yaml:3:5: job 'a' has no targets (set url, static_configs, file_sd_configs, http_sd_configs or kubernetes_sd_configs)",
                "f.yaml:3:19: url: a URL must not have a user in it; use basic_auth",
                "f.yaml:3:60: url: a URL must not have a user in it; use basic_auth",
            ],
        ),
        (
            "  - {job: a, url: 'http://h/', every: 1s, timeout: 2s}\n",
            &[
                "f.yaml:3:5: the timeout of job 'a' is longer than the time between its scrapes (shorten timeout, or lengthen every)",
            ],
        ),
        (
            "  - {job: a, url: 'http://h/', interval: 1s}\n",
            &[
                "f.yaml:3:32: receivers.scrape[0] has no key 'interval' (the keys are job, url, every, timeout, labels, honor_labels, honor_timestamps, scheme, metrics_path, params, relabel_configs, metric_relabel_configs, static_configs, file_sd_configs, http_sd_configs, kubernetes_sd_configs, tls, basic_auth, bearer_token, bearer_token_file, follow_redirects, scrape_interval, scrape_timeout)",
            ],
        ),
        (
            "  - {job: a, url: 'http://h/', relabel_configs: [{regex: '(', action: keep}, {action: kep}]}\n",
            &[
                "f.yaml:3:50: regex: '(' is not a pattern: unclosed group",
                "f.yaml:3:87: action: 'kep' is not one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase",
            ],
        ),
        (
            "  - {job: a, url: 'http://h/', labels: {a-b: x}}\n",
            &["f.yaml:3:46: 'a-b' is not a label's name; write letters, digits and _"],
        ),
        (
            "  - {job: a, url: 'http://h/'}\n  - {job: a, url: 'http://h/'}\n",
            &["f.yaml:4:5: receivers.scrape[1]: there is a job 'a' already; give each its own name"],
        ),
        (
            "  - {job: a, url: 'http://h/', basic_auth: {username: u}, bearer_token: x, tls: {cert: c}}\n",
            &[
                "f.yaml:3:5: there is both 'basic_auth' and a bearer token; a request has one of them",
                "f.yaml:3:81: a client certificate needs both 'cert' and 'key'",
            ],
        ),
        (
            "  - {job: a, kubernetes_sd_configs: [{role: ingress, bearer_token: x}]}\n",
            &[
                "f.yaml:3:5: job 'a' has no targets (set url, static_configs, file_sd_configs, http_sd_configs or kubernetes_sd_configs)",
                "f.yaml:3:38: 'bearer_token' of a Kubernetes discovery needs 'api_server'",
                "f.yaml:3:45: role: 'ingress' is not one of pod, service, node",
            ],
        ),
    ] {
        check(yaml, expected);
    }
}
