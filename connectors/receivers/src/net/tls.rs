//! Certificates of a port, taken anew when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use twox_hash::XxHash3_128;

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and the root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whoever has no certificate of one of these authorities is not let in.
    pub client_ca: Option<PathBuf>,
}

/// Files that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that can't be read.
    #[error("{key}: {} can't be read: {source}", path.display())]
    Read {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file without what it is for.
    #[error("{key}: {} holds no {wanted} in PEM: {problem}", path.display())]
    Pem {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key don't belong together, or are of a kind that is not spoken.
    #[error("tls: {} with {} can't be used: {source}", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// No authority in the file can be used.
    #[error("tls.client_ca: {} can't be used: {problem}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// What came of looking at the files again.
#[derive(Debug)]
pub enum Reloaded {
    /// They are as they were.
    Same,
    /// New connections get what they hold now.
    New,
    /// They can't be used; what was there stays. Told once for each state of the files.
    Failed(TlsError),
}

/// How a port speaks TLS: 1.2 and 1.3, with ring's ciphers.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    protocols: Vec<Vec<u8>>,
    current: RwLock<Arc<ServerConfig>>,
    /// The files' contents when they were last looked at, hashed.
    seen: Mutex<u128>,
}

impl Tls {
    /// Reads the files. `protocols` are those that a client may choose from (ALPN), best first.
    ///
    /// # Errors
    /// When they can't be used.
    pub fn load(files: TlsFiles, protocols: &[&str]) -> Result<Self, TlsError> {
        let protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect::<Vec<_>>();
        let contents = Contents::read(&files)?;
        let current = contents.config(&files, &protocols)?;
        Ok(Self { files, protocols, current: RwLock::new(Arc::new(current)), seen: Mutex::new(contents.hash()) })
    }

    /// Whether clients must show a certificate.
    pub fn is_mutual(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// What a new connection is given.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Looks at the files again. Blocks while it reads them.
    ///
    /// Contents are compared and not times: Kubernetes changes a link, and two writes may fall into one tick of a file system.
    pub fn reload(&self) -> Reloaded {
        let mut seen = self.seen.lock();
        let contents = match Contents::read(&self.files) {
            Ok(contents) => contents,
            // No contents hash to zero but by an accident that only costs a repeated line in the log.
            Err(_) if *seen == 0 => return Reloaded::Same,
            Err(error) => {
                *seen = 0;
                return Reloaded::Failed(error);
            }
        };
        let hash = contents.hash();
        if hash == *seen {
            return Reloaded::Same;
        }
        *seen = hash;
        match contents.config(&self.files, &self.protocols) {
            Ok(config) => {
                *self.current.write() = Arc::new(config);
                Reloaded::New
            }
            Err(error) => Reloaded::Failed(error),
        }
    }
}

/// What the files hold.
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |key: &'static str, path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Read { key, path: path.to_owned(), source })
        };
        Ok(Self {
            cert: read("tls.cert", &files.cert)?,
            key: read("tls.key", &files.key)?,
            client_ca: files.client_ca.as_deref().map(|path| read("tls.client_ca", path)).transpose()?,
        })
    }

    fn hash(&self) -> u128 {
        let parts = [&self.cert, &self.key, self.client_ca.as_ref().unwrap_or(&Vec::new())]
            .map(|part| XxHash3_128::oneshot(part).to_le_bytes());
        XxHash3_128::oneshot(parts.as_flattened())
    }

    fn config(&self, files: &TlsFiles, protocols: &[Vec<u8>]) -> Result<ServerConfig, TlsError> {
        let certificates = certificates("tls.cert", &files.cert, &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Pem {
            key: "tls.key",
            path: files.key.clone(),
            wanted: "private key (PKCS#8, PKCS#1 or SEC 1, without a passphrase)",
            // Not the error's own words: some of them quote what they could not read.
            problem: problem(&error).to_owned(),
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pair = |source| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), source };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(pair)?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let wrong = |problem: String| TlsError::ClientCa { path: path.clone(), problem };
                let mut roots = RootCertStore::empty();
                for certificate in certificates_of_clients(path, pem)? {
                    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| wrong(error.to_string()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(pair)?;
        config.alpn_protocols = protocols.to_vec();
        Ok(config)
    }
}

fn certificates_of_clients(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates("tls.client_ca", path, pem)
}

fn certificates(key: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |problem: &str| TlsError::Pem {
        key,
        path: path.to_owned(),
        wanted: "certificate",
        problem: problem.to_owned(),
    };
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| wrong(problem(&error)))?;
    if found.is_empty() { Err(wrong("there is none in it")) } else { Ok(found) }
}

fn problem(error: &rustls::pki_types::pem::Error) -> &'static str {
    use rustls::pki_types::pem::Error;
    match error {
        Error::NoItemsFound => "there is none in it",
        Error::MissingSectionEnd { .. } => "a section has no end",
        Error::IllegalSectionStart { .. } => "a section's first line is not one",
        Error::Base64Decode(_) => "a section is not base64",
        _ => "it can't be read",
    }
}

#[cfg(test)]
mod tests;
