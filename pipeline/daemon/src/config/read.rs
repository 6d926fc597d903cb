//! From YAML to [`Config`], key by key.

use std::path::PathBuf;
use std::sync::Arc;

use flyball_model::ports::RecordKind;
use flyball_store_influxdb::InfluxVersion;
use flyball_yaml::{Fields, Node, Reader, Source, Value, Variables, parse_duration};

use super::{Config, Influx, Loaded, access, backends, kubernetes_server, maintenance, parse, scrape};

/// Bytes of spool for each InfluxDB unless configured otherwise: about a day of twin snapshots of a thousand nodes.
const SPOOL_BYTES_DEFAULT: u64 = 256 << 20;

/// The least `limits.memory`. Recent points get a 24th of it, and a body a quarter: with less, hardly anything could be taken in.
const MEMORY_BYTES_MIN: usize = 8 << 20;

const ROOT_KEYS: [&str; 11] = [
    "data_dir",
    "http",
    "receivers",
    "limits",
    "log",
    "store",
    "twin",
    "rules",
    "backends",
    "maintenance",
    "limits_of_action",
];
const INFLUX_KEYS: [&str; 9] = ["url", "version", "org", "bucket", "token", "username", "password", "write", "spool"];

/// Reads a document, with `${NAME}` replaced from `environment`. The configuration is usable when no problem is more than a
/// warning.
pub(crate) fn read(name: &str, text: &str, environment: Variables) -> Loaded {
    let mut config = Config::default();
    let source = Source::new(name, text);
    let problems = match flyball_yaml::parse(&source) {
        Ok(root) => {
            let mut reader = Reader::with_variables(Arc::clone(&source), environment);
            if let Some(fields) = reader.section(&root, "the configuration", &ROOT_KEYS) {
                read_root(&mut reader, fields, &mut config);
            }
            for line in config.open_addresses() {
                reader.error(&root, line);
            }
            reader.finish()
        }
        Err(problem) => vec![problem],
    };
    Loaded { config, problems }
}

fn read_root(reader: &mut Reader, root: Fields<'_>, config: &mut Config) {
    reader.set(root, "data_dir", &mut config.data_dir, |text| parse::text(text).map(PathBuf::from));
    if let Some(http) = section(reader, root, "http", "http", &["listen", "insecure", "tls", "tokens", "oidc"]) {
        read_http(reader, http, config);
    }
    let keys = ["otlp", "remote_write", "host", "influx", "pushgateway", "scrape", "mqtt"];
    if let Some(receivers) = section(reader, root, "receivers", "receivers", &keys) {
        read_receivers(reader, receivers, config);
    }
    let keys = ["memory", "series", "idle", "labels", "label_bytes", "late", "future", "tenant_header", "per_source"];
    if let Some(limits) = section(reader, root, "limits", "limits", &keys) {
        read_limits(reader, limits, config);
    }
    if let Some(log) = section(reader, root, "log", "log", &["durability"]) {
        reader.set(log, "durability", &mut config.durability, parse::durability);
    }
    if let Some(store) = section(reader, root, "store", "store", &["embedded", "influxdb"]) {
        read_store(reader, store, config);
    }
    if let Some(twin) = section(reader, root, "twin", "twin", &["mapping", "snapshot_every"]) {
        if let Some(files) = list(reader, twin, "mapping") {
            config.twin.mapping = reader.parse_nodes(files, "mapping", |text| parse::text(text).map(PathBuf::from));
        }
        reader.set(twin, "snapshot_every", &mut config.twin.snapshot_every, parse::positive_duration);
    }
    if let Some(rules) = list(reader, root, "rules") {
        config.rules = Some(reader.parse_nodes(rules, "rules", parse::text));
    }
    if let Some(backends) = root.get("backends") {
        backends::read(reader, backends, config);
    }
    if let Some(windows) = list(reader, root, "maintenance") {
        config.maintenance = maintenance::read(reader, windows);
    }
    let keys = ["per_target_cooldown", "per_backend_per_minute", "blast_radius"];
    if let Some(actions) = section(reader, root, "limits_of_action", "limits_of_action", &keys) {
        reader.set(actions, "per_target_cooldown", &mut config.actions.per_target_cooldown, parse_duration);
        reader.set(actions, "per_backend_per_minute", &mut config.actions.per_backend_per_minute, |text| {
            text.parse().map_err(|_| format!("'{text}' is not a whole number; 0 lets no request out"))
        });
        if let Some(node) = actions.get("blast_radius") {
            reader.warning(node, "limits_of_action.blast_radius has no effect yet in this version");
        }
    }
}

fn read_http(reader: &mut Reader, http: Fields<'_>, config: &mut Config) {
    reader.set(http, "listen", &mut config.http.listen, parse::address);
    reader.set(http, "insecure", &mut config.http.insecure, parse::truth);
    access::read(reader, http, &mut config.http);
}

fn read_receivers(reader: &mut Reader, receivers: Fields<'_>, config: &mut Config) {
    let into = &mut config.receivers;
    if let Some(otlp) = section(reader, receivers, "otlp", "receivers.otlp", &["grpc", "http", "max_body"]) {
        reader.set(otlp, "grpc", &mut into.otlp_grpc, parse::address);
        reader.set(otlp, "http", &mut into.otlp_http, parse::address);
        reader.set(otlp, "max_body", &mut config.limits.body_bytes, parse::bytes);
    }
    if let Some(remote) = section(reader, receivers, "remote_write", "receivers.remote_write", &["enabled"]) {
        reader.set(remote, "enabled", &mut into.remote_write, parse::truth);
    }
    if let Some(influx) = section(reader, receivers, "influx", "receivers.influx", &["enabled"]) {
        reader.set(influx, "enabled", &mut into.influx, parse::truth);
    }
    if let Some(host) = section(reader, receivers, "host", "receivers.host", &["enabled", "every"]) {
        reader.set(host, "enabled", &mut into.host, parse::truth);
        reader.set(host, "every", &mut into.host_every, parse::positive_duration);
    }
    if let Some(pushes) = section(reader, receivers, "pushgateway", "receivers.pushgateway", &["enabled"]) {
        reader.set(pushes, "enabled", &mut into.pushgateway, parse::truth);
    }
    if let Some(jobs) = list(reader, receivers, "scrape") {
        into.scrape = scrape::read(reader, jobs, kubernetes_server().as_deref());
    }
    if let Some(node) = receivers.get("mqtt") {
        reader.warning(node, "receivers.mqtt has no effect yet in this version");
    }
}

fn read_limits(reader: &mut Reader, limits: Fields<'_>, config: &mut Config) {
    let into = &mut config.limits;
    reader.set(limits, "memory", &mut into.memory_bytes, |text| {
        parse::bytes(text).and_then(|bytes| {
            let too_little = || format!("'{text}' is too little to work with; the least is 8MiB, the default 1GiB");
            if bytes < MEMORY_BYTES_MIN { Err(too_little()) } else { Ok(bytes) }
        })
    });
    reader.set(limits, "series", &mut into.series, |text| {
        parse::count(text).and_then(|count| {
            if count < u32::MAX as usize { Ok(count) } else { Err(format!("'{text}' is above 4294967294")) }
        })
    });
    reader.set(limits, "labels", &mut into.labels, parse::count);
    reader.set(limits, "label_bytes", &mut into.label_bytes, |text| {
        let bytes = parse::bytes(text)?;
        let max = flyball_model::limits::LABEL_SET_BYTES_MAX;
        if bytes <= max { Ok(bytes) } else { Err(format!("'{text}' is above {max}, the bound of a whole label set")) }
    });
    reader.set(limits, "late", &mut into.late, parse_duration);
    reader.set(limits, "future", &mut into.future, parse_duration);
    reader.set(limits, "idle", &mut into.idle, parse::positive_duration);
    reader.set(limits, "tenant_header", &mut into.tenant_header, |text| parse::header_name(text).map(Some));
    let keys = ["points_per_second", "bytes_per_second", "series"];
    if let Some(fields) = section(reader, limits, "per_source", "limits.per_source", &keys) {
        let number = |number: usize| Some(number as u64);
        reader.set(fields, "points_per_second", &mut into.per_source.points_per_second, |text| {
            parse::count(text).map(number)
        });
        reader.set(fields, "bytes_per_second", &mut into.per_source.bytes_per_second, |text| {
            parse::bytes(text).map(number)
        });
        reader.set(fields, "series", &mut into.per_source.series, |text| parse::count(text).map(number));
    }
}

fn read_store(reader: &mut Reader, store: Fields<'_>, config: &mut Config) {
    if let Some(embedded) = section(reader, store, "embedded", "store.embedded", &["retention", "url"]) {
        reader.set(embedded, "retention", &mut config.limits.past, parse::positive_duration);
        if let Some(node) = embedded.get("url") {
            reader.warning(node, "store.embedded.url has no effect yet: the history is under data_dir/history");
        }
    }
    let mut names: Vec<String> = Vec::new();
    for (index, node) in list(reader, store, "influxdb").unwrap_or_default().iter().enumerate() {
        let what = format!("store.influxdb[{index}]");
        let Some(influx) = read_influx(reader, node, &what) else { continue };
        let name = influx.name();
        if let Some(first) = names.iter().position(|earlier| *earlier == name) {
            let message = format!("{what} is the store of store.influxdb[{first}] again: both are called {name}");
            reader.error_with_hint(
                node,
                message,
                "keep one of them, with all that 'write' names, or take another bucket",
            );
        }
        names.push(name);
        config.influxdb.push(influx);
    }
}

fn read_influx(reader: &mut Reader, node: &Node, what: &str) -> Option<Influx> {
    let fields = reader.section(node, what, &INFLUX_KEYS)?;
    let url = reader.parse_required(fields, "url", parse::url);
    let version = reader.parse_required(fields, "version", |text| match text {
        "1" => Ok(InfluxVersion::V1),
        "2" => Ok(InfluxVersion::V2),
        "3" => Ok(InfluxVersion::V3),
        _ => Err(format!("'{text}' is not 1, 2 or 3")),
    });
    let bucket = reader.parse_required(fields, "bucket", parse::text);
    let org = reader.parse(fields, "org", parse::text);
    if version == Some(InfluxVersion::V2) && fields.get("org").is_none() {
        reader.error(fields.node(), format!("{what} needs 'org': InfluxDB 2 has buckets in organisations"));
    }
    let [token, username, password] = ["token", "username", "password"]
        .map(|key| reader.parse(fields, key, |text| Ok(text.to_owned())).unwrap_or_default());
    let spool = reader.parse(fields, "spool", |text| parse::bytes(text).map(|bytes| bytes as u64));
    let write = list(reader, fields, "write").map(|nodes| {
        reader.parse_nodes(nodes, "write", |word| match word {
            "twin" => Ok(RecordKind::Twin),
            "violations" => Ok(RecordKind::Violations),
            "metrics" => Ok(RecordKind::Metrics),
            _ => Err(format!("'{word}' is not twin, violations or metrics")),
        })
    });
    Some(Influx {
        url: url?,
        version: version?,
        org: org.unwrap_or_default(),
        bucket: bucket?,
        token,
        username,
        password,
        write: write.unwrap_or_else(|| vec![RecordKind::Twin, RecordKind::Violations]),
        spool_bytes_max: spool.unwrap_or(SPOOL_BYTES_DEFAULT),
    })
}

/// A key that is a mapping of known keys itself; one with nothing behind it is an empty one.
pub(super) fn section<'a>(
    reader: &mut Reader,
    fields: Fields<'a>,
    key: &str,
    what: &'a str,
    keys: &[&str],
) -> Option<Fields<'a>> {
    reader.section(fields.get(key)?, what, keys)
}

/// The items of a key that is a list; one with nothing behind it is an empty one.
pub(super) fn list<'a>(reader: &mut Reader, fields: Fields<'a>, key: &str) -> Option<&'a [Node]> {
    let node = fields.get(key)?;
    if matches!(node.value, Value::Null) {
        return Some(&[]);
    }
    Some(reader.items(node, &format!("'{key}'")))
}

#[cfg(test)]
mod tests;
