use std::time::Duration;

use super::*;
use crate::config::Backend;

fn check(text: &str, expected: &[&str]) {
    let loaded = read("f.yaml", text, |name| (name == "SECRET").then(|| "whsec_c2VjcmV0".to_owned()));
    let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    check(
        "http:\n  listen: nowhere\n  isecure: true\nlimits:\n  memory: lots\n  late: 10\nrules: x\nreceivers: {host: {every: 0s}}\n",
        &[
            "f.yaml:2:11: listen: 'nowhere' is not an address with a port; write 127.0.0.1:8480, or port 0 for a free one",
            "f.yaml:3:3: http has no key 'isecure' (did you mean 'insecure'?)",
            "f.yaml:5:11: memory: 'lots' is not a size; write 4096, 64KiB, 64MiB or 1GiB",
            "f.yaml:6:9: late: '10' has no unit; write 10s for seconds (units are ms, s, m, h, d)",
            "f.yaml:7:8: 'rules' is a list, and here is a single value (begin each item of 'rules' with '- ')",
            "f.yaml:8:27: every: '0s' is not longer than zero",
        ],
    );
}

#[test]
fn keys_with_nothing_behind_them_are_empty() {
    check("", &[]);
    check("http:\nrules:\nbackends:\ntwin: {mapping: }\nstore: {influxdb: , embedded: }\n", &[]);
    let loaded = read("f.yaml", "rules:\n", |_| None);
    assert_eq!(loaded.config, Config { rules: Some(Vec::new()), ..Config::default() });
}

#[test]
fn what_has_no_effect_yet_is_a_warning() {
    check(
        "receivers: {mqtt: {}}\nlimits_of_action: {blast_radius: 10%}\n",
        &[
            "f.yaml:1:19: warning: receivers.mqtt has no effect yet in this version",
            "f.yaml:2:34: warning: limits_of_action.blast_radius has no effect yet in this version",
        ],
    );
}

#[test]
fn a_limit_of_action_of_none_lets_no_request_out() {
    let loaded = read("f.yaml", "limits_of_action: {per_backend_per_minute: 0}\n", |_| None);
    assert_eq!((loaded.problems.as_slice(), loaded.config.actions.per_backend_per_minute), (&[][..], 0));
    check(
        "limits_of_action: {per_backend_per_minute: -1}\nbackends: {\"\": {kind: webhook, url: \"http://h/\"}}\nlimits: {memory: 1KiB}\n",
        &[
            "f.yaml:1:44: per_backend_per_minute: '-1' is not a whole number; 0 lets no request out",
            "f.yaml:2:16: a backend has a name, which rules call it by",
            "f.yaml:3:18: memory: '1KiB' is too little to work with; the least is 8MiB, the default 1GiB",
        ],
    );
}

#[test]
fn the_durability_is_one_of_three_words() {
    let loaded = read("f.yaml", "log: {durability: flush}\n", |_| None);
    assert_eq!((loaded.problems.as_slice(), loaded.config.durability), (&[][..], flyball_log::Durability::Flush));
    check(
        "log: {durability: batch}\n",
        &[
            "f.yaml:1:19: durability: 'batch' is not fsync (survives a power cut), flush (survives the death of flyball) or memory (survives nothing)",
        ],
    );
}

#[test]
fn an_open_api_beyond_loopback_must_be_meant() {
    check(
        "http: {listen: \"0.0.0.0:8480\"}\n",
        &[
            "f.yaml:1:1: http.listen: 0.0.0.0:8480 goes beyond loopback and is open to everyone who reaches it; set http.tokens, http.oidc or http.tls.client_ca, listen on 127.0.0.1, or set http.insecure: true if that is meant",
        ],
    );
    check("http: {listen: \"0.0.0.0:8480\", insecure: true}\n", &[]);
}

#[test]
fn secrets_come_from_the_environment() {
    let text = "backends:\n  ops: {kind: webhook, url: \"http://127.0.0.1:1/\", secret: \"${SECRET}\"}\n";
    check(text, &[]);
    let loaded = read("f.yaml", text, |_| Some("whsec_c2VjcmV0".to_owned()));
    let Backend::Webhook(webhook) = &loaded.config.backends["ops"] else { panic!("it is a webhook") };
    assert_eq!(webhook.secret.as_deref(), Some("whsec_c2VjcmV0"));
    check(
        &text.replace("SECRET", "OTHER"),
        &[
            "f.yaml:2:60: 'secret' needs the environment variable OTHER, which is not set (export it, or write the value itself)",
        ],
    );
}

#[test]
fn stores_are_told_apart_and_complete() {
    let one = |url: &str| format!("  - {{url: \"{url}\", version: 3, bucket: b}}\n");
    check(&format!("store:\n  influxdb:\n{}{}", one("http://a:1"), one("http://a:2/")), &[]);
    check(
        &format!("store:\n  influxdb:\n{}{}", one("http://a:1"), one("https://a:1/")),
        &[
            "f.yaml:4:5: store.influxdb[1] is the store of store.influxdb[0] again: both are called influxdb-a_1-b (keep one of them, with all that 'write' names, or take another bucket)",
        ],
    );
    check(
        "store: {influxdb: [{version: 2, bucket: b, write: [twin, logs]}]}\n",
        &[
            "f.yaml:1:20: store.influxdb[0] needs 'url'",
            "f.yaml:1:20: store.influxdb[0] needs 'org': InfluxDB 2 has buckets in organisations",
            "f.yaml:1:58: write: 'logs' is not twin, violations or metrics",
        ],
    );
}

#[test]
fn backends_have_one_name_each_and_a_kind_that_is_there() {
    check(
        "backends:\n  a: {kind: webhook, url: \"http://h/\", events: [fired]}\n  a: {kind: webhook, url: \"http://h/\"}\n  b: {kind: kubernetes, kubeconfig: x}\n  c: {url: x}\n  d: {kind: webhok}\n",
        &[
            "f.yaml:2:49: events: 'fired' is not one of pending, firing, resolved, no_data, error, requested",
            "f.yaml:3:3: the key 'a' stands here twice",
            "f.yaml:4:13: backends.b is of kind 'kubernetes', which is not there yet in this version (write webhook or alertmanager)",
            "f.yaml:5:6: backends.c needs 'kind'",
            "f.yaml:5:12: url: 'x' is not a URL; write http://host:port/path or https://…",
            "f.yaml:6:13: backends.d is of kind 'webhok', and no backend is (write webhook or alertmanager)",
        ],
    );
}

#[test]
fn an_alertmanager_needs_its_url_alone() {
    let loaded = read("f.yaml", "backends: {am: {kind: alertmanager, url: \"http://127.0.0.1:9093\"}}\n", |_| None);
    assert_eq!(loaded.problems, []);
    let Backend::Alertmanager(am) = &loaded.config.backends["am"] else { panic!("it is an Alertmanager") };
    assert_eq!((am.resend_every, am.external_url.as_deref()), (Duration::from_secs(60), None));
    check(
        "backends: {am: {kind: alertmanager, secret: x, resend_every: 0s}}\n",
        &[
            "f.yaml:1:16: backends.am needs 'url'",
            "f.yaml:1:37: backends.am has no key 'secret' (the keys are kind, url, token, resend_every, timeout, external_url, allow_link_local)",
            "f.yaml:1:62: resend_every: '0s' is not longer than zero",
        ],
    );
}

#[test]
fn maintenance_windows_are_checked_as_a_whole() {
    let text = "maintenance:\n- {name: backup, matchers: ['host=~\"db-.*\"'], cron: 0 2 * * 6, time_zone: Europe/Berlin, duration: 2h}\n";
    let loaded = read("f.yaml", text, |_| None);
    assert_eq!(loaded.problems, []);
    let window = &loaded.config.maintenance[0];
    assert_eq!(
        (window.name.as_str(), window.duration, window.comment.as_str()),
        ("backup", Duration::from_secs(7200), "")
    );
    let window = |fields: &str| format!("- {{{fields}}}\n");
    let text = [
        "maintenance:\n".to_owned(),
        window("name: a, matchers: [host], cron: 0 2 * * *, duration: 1h"),
        window("name: b, matchers: [host=b], cron: 0 2 * * *, duration: 0s"),
        window("name: c, matchers: [host=a], cron: 0 25 * * *, duration: 1h"),
        window("name: c, matchers: [host=a, 'zone=~(']"),
        window("name: c, matchers: [host=], cron: 0 2 * * *, duration: 1h"),
    ];
    check(
        &text.concat(),
        &[
            "f.yaml:2:24: matchers: 'host' is not a matcher; write name=value, name!=value, name=~regex or name!~regex, the value in quotes if it has blanks",
            "f.yaml:3:60: duration: '0s' is not longer than zero",
            "f.yaml:4:3: maintenance[2]: '0 25 * * *' in the time zone 'UTC' is not a schedule: value must be in range 0..=23; found 25; write minute, hour, day of the month, month, day of the week, as in '0 2 * * 6'",
            "f.yaml:5:3: maintenance[3] needs 'cron'",
            "f.yaml:5:3: maintenance[3] needs 'duration'",
            "f.yaml:5:32: matchers: '(' on 'zone' is not a usable regular expression: unclosed group",
            "f.yaml:6:3: there is a maintenance window 'c' already",
            "f.yaml:6:3: maintenance[4]: a silence needs at least one matcher that does not match the empty string; name a label, for example alertname",
        ],
    );
}

#[test]
fn a_sender_can_be_named_by_a_header_and_limited() {
    let text = "limits:\n  idle: 30m\n  tenant_header: X-Scope-OrgID\n  per_source: {points_per_second: 1000, bytes_per_second: 1MB, series: 50}\n";
    let loaded = read("f.yaml", text, |_| None);
    assert_eq!(loaded.problems, []);
    let limits = loaded.config.limits;
    assert_eq!((limits.idle.as_secs(), limits.tenant_header.as_deref()), (1800, Some("x-scope-orgid")));
    let per_source = limits.per_source;
    assert_eq!(
        [per_source.points_per_second, per_source.bytes_per_second, per_source.series],
        [Some(1_000), Some(1_000_000), Some(50)]
    );
    check(
        "limits: {tenant_header: a b, per_source: {series: 0, point_per_second: 1}}\n",
        &[
            "f.yaml:1:25: tenant_header: 'a b' is not the name of an HTTP header; write X-Scope-OrgID",
            "f.yaml:1:51: series: '0' is not a whole number above zero",
            "f.yaml:1:54: limits.per_source has no key 'point_per_second' (did you mean 'points_per_second'?)",
        ],
    );
}

#[test]
fn what_is_not_yaml_says_where() {
    check("http: [", &["f.yaml:1:7: this is not YAML: unclosed bracket '['"]);
}

#[test]
fn a_reload_takes_over_what_can_change_and_names_the_rest() {
    let config = |text: &str| {
        let loaded = read("f.yaml", text, |_| None);
        assert!(!loaded.is_broken(), "{text}: {:?}", loaded.problems);
        loaded.config
    };
    let in_force = Config::default();
    for text in [
        "rules: [r.yaml]",
        "http: {tokens: [{name: a, token: tok-0123456789abcdef, scopes: [read]}]}",
        "http: {oidc: {issuer: \"https://id.example/r\", audience: a}}",
        "maintenance: [{name: a, matchers: [host=a], cron: 0 2 * * *, duration: 1h}]",
        "limits_of_action: {per_target_cooldown: 1s, per_backend_per_minute: 1}",
    ] {
        let new = config(text);
        assert_ne!(new, in_force, "{text}");
        assert_eq!(in_force.reloaded(new.clone()), (new, vec![]), "{text}");
    }
    for (text, keys) in [
        ("", &[][..]),
        ("data_dir: /d", &["data_dir"]),
        ("http: {listen: \"127.0.0.1:1\", insecure: true}", &["http.listen", "http.insecure"]),
        ("http: {tls: {cert: c, key: k}}", &["http.tls"]),
        ("receivers: {host: {enabled: false}}", &["receivers"]),
        ("limits: {labels: 1}", &["limits"]),
        ("log: {durability: flush}", &["log"]),
        ("store: {influxdb: [{url: \"http://a:1\", version: 3, bucket: b}]}", &["store"]),
        ("twin: {snapshot_every: 1s}", &["twin"]),
        ("backends: {am: {kind: alertmanager, url: \"http://127.0.0.1:9093\"}}", &["backends"]),
    ] {
        assert_eq!(in_force.reloaded(config(text)), (in_force.clone(), keys.to_vec()), "{text}");
    }
    let (_, all) = in_force.reloaded(config("rules: []\nlimits: {labels: 1}\nlog: {durability: flush}"));
    assert_eq!(all, ["limits", "log"]);
}
