//! The defaults, once as values and once as the commented file that `config default` prints; a test holds them equal.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use flyball_log::Durability;
use flyball_model::Limits;

use super::{Actions, Config, Http, Receivers, TwinConfig};

/// What `flyball config default` prints.
pub(crate) const DEFAULT_YAML: &str = include_str!("default.yaml");

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            data_dir: "./flyball-data".into(),
            http: Http { listen: loopback(8480), insecure: false, tls: None, tokens: Vec::new(), oidc: None },
            receivers: Receivers {
                otlp_grpc: loopback(4317),
                otlp_http: loopback(4318),
                remote_write: true,
                influx: true,
                pushgateway: true,
                scrape: Vec::new(),
                host: true,
                host_every: Duration::from_secs(5),
            },
            limits: Limits::default(),
            durability: Durability::Fsync,
            influxdb: Vec::new(),
            twin: TwinConfig { mapping: Vec::new(), snapshot_every: Duration::from_secs(10) },
            rules: None,
            backends: BTreeMap::new(),
            maintenance: Vec::new(),
            actions: Actions { per_target_cooldown: Duration::from_secs(60), per_backend_per_minute: 10 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::read;

    #[test]
    fn the_printed_default_file_says_what_the_defaults_are() {
        let loaded = read("default.yaml", DEFAULT_YAML, |_| None);
        assert_eq!(loaded.problems, []);
        assert_eq!(loaded.config, Config::default());
    }
}
