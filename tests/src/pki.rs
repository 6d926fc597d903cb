//! Certificates in files, as people have them.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::flyball::temp_dir;

/// An authority and its folder.
#[derive(Debug)]
pub struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// When its files can't be written.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let dir = temp_dir();
        let certificate = params.self_signed(&key).expect("signed");
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("the folder can be written");
        Self { dir, issuer: Issuer::new(params, key) }
    }

    /// Its certificate's file.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Certifies `localhost` and 127.0.0.1. The same name again replaces the files.
    ///
    /// # Panics
    /// When the files can't be written.
    #[track_caller]
    pub fn certify(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let file = |extension: &str, text: String| {
            let path = self.dir.path().join(format!("{name}.{extension}"));
            std::fs::write(&path, text).expect("the folder can be written");
            path
        };
        Pair { cert: file("pem", certificate.pem()), key: file("key", key.serialize_pem()) }
    }

    /// A file's contents.
    ///
    /// # Panics
    /// When it can't be read.
    #[track_caller]
    pub fn read(file: &Path) -> Vec<u8> {
        std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

impl Pair {
    /// Both in one, as some clients want them.
    ///
    /// # Panics
    /// When they can't be read.
    #[track_caller]
    pub fn pem(&self) -> Vec<u8> {
        [Authority::read(&self.cert), Authority::read(&self.key)].concat()
    }
}
