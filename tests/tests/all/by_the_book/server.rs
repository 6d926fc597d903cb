//! flyball on one of the roads.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use flyball_tests::flyball::lay_over;
use flyball_tests::pki::Authority;
use flyball_tests::{Flyball, Grpc};
use serde_json::{Value, json};

/// The header that names a sender.
pub(super) const TENANT: &str = "x-scope-orgid";

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Road {
    tls: bool,
    gzip: bool,
}

impl Road {
    pub(super) const PLAIN: Self = Self { tls: false, gzip: false };
    pub(super) const TLS: Self = Self { tls: true, gzip: false };
    pub(super) const GZIP: Self = Self { tls: false, gzip: true };
    pub(super) const GZIP_TLS: Self = Self { tls: true, gzip: true };

    /// The body as it travels.
    pub(super) fn packed(self, body: &[u8]) -> Vec<u8> {
        if self.gzip { gzip(body) } else { body.to_vec() }
    }

    /// Whether bodies are gzipped.
    pub(super) fn is_gzip(self) -> bool {
        self.gzip
    }
}

pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A flyball, and clients of it.
pub(super) struct Server {
    pub(super) flyball: Flyball,
    pub(super) grpc: Grpc,
    /// Whom clients check it by, in PEM.
    pub(super) authority: Option<Vec<u8>>,
}

impl Server {
    #[track_caller]
    pub(super) fn start(road: Road, mut config: Value) -> Self {
        let authority = road.tls.then(|| Authority::new("flyball's"));
        if let Some(authority) = &authority {
            let pair = authority.certify("server");
            lay_over(&mut config, json!({"http": {"tls": {"cert": pair.cert, "key": pair.key}}}));
        }
        let mut flyball = Flyball::start(config);
        let authority = authority.map(|authority| Authority::read(&authority.ca()));
        if let Some(authority) = &authority {
            flyball.http = flyball.http.over_tls(authority, None);
            flyball.otlp_http = flyball.otlp_http.over_tls(authority, None);
        }
        let grpc = Grpc { address: flyball.otlp_grpc.clone(), authority: authority.clone() };
        Self { flyball, grpc, authority }
    }
}
