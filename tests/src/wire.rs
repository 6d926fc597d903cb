//! Connections by hand, for what no library of a client would send.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to `host:port`; over TLS where there is an authority (its certificate, in PEM) to check the server by. `protocol` is what
/// is spoken then: `h2` or `http/1.1`.
///
/// # Panics
/// When nobody listens there, or not with such a certificate.
pub async fn connect(address: &str, authority: Option<&[u8]>, protocol: &str) -> Box<dyn Stream> {
    let tcp = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    tcp.set_nodelay(true).expect("a TCP connection");
    let Some(authority) = authority else { return Box::new(tcp) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.expect("PEM")).expect("a certificate of an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    Box::new(tls.unwrap_or_else(|error| panic!("{address}: {error}")))
}
