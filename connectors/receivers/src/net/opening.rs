//! The handshake and the first bytes of a connection, in bounded time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::listener::{Guest, Seat};
use super::stream::Stream;

/// How long a new connection may take for its handshake and to say what it speaks, so that silent ones don't use up the seats.
/// Long enough for a handshake over a bad link.
pub const OPENING_TIMEOUT: Duration = Duration::from_secs(15);

/// The first byte of a TLS connection: a record with a handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The answer to HTTP on a port that speaks HTTPS, which is what a wrong scheme in a URL makes of it.
const HTTPS_WANTED: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 44\r\nconnection: close\r\n\r\nthis port speaks TLS: write https in the URL";

const _: () = assert!(HTTPS_WANTED.len() == 93 + 44);

/// A connection that has begun to speak.
#[derive(Debug)]
pub struct Opened {
    /// Its bytes, from the first one of HTTP.
    pub stream: Stream,
    /// Whether it speaks HTTP/2, else HTTP/1.
    pub http2: bool,
    /// Who it is.
    pub address: SocketAddr,
    /// Its place among the connections of its port.
    pub seat: Seat,
}

/// Why a connection never got as far as a request.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It said nothing, or not enough.
    #[error("it did not say within {} s what it wants", OPENING_TIMEOUT.as_secs())]
    Silent,
    /// It spoke without TLS where TLS is spoken.
    #[error("it speaks no TLS, and this port speaks nothing else")]
    NotTls,
    /// The handshake failed: no common version, no certificate of a client that is known here, ….
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    /// It went away.
    #[error("the connection was lost before its first request: {0}")]
    Lost(#[source] io::Error),
}

impl Guest {
    /// Secures the connection, where its port does that, and finds out what it speaks.
    ///
    /// # Errors
    /// When that fails or takes longer than [`OPENING_TIMEOUT`].
    pub async fn open(self) -> Result<Opened, OpenError> {
        self.open_within(OPENING_TIMEOUT).await
    }

    pub(super) async fn open_within(self, timeout: Duration) -> Result<Opened, OpenError> {
        let Guest { tcp, tls, address, seat } = self;
        let opening = async {
            let (mut stream, chosen) = match tls {
                None => (Stream::from(tcp), None),
                Some(tls) => {
                    let tcp = speaks_tls(tcp).await?;
                    let accepted = TlsAcceptor::from(tls.current()).accept(tcp).await.map_err(OpenError::Handshake)?;
                    let chosen = accepted.get_ref().1.alpn_protocol().map(|protocol| protocol == b"h2");
                    (Stream::from(accepted), chosen)
                }
            };
            let http2 = match chosen {
                Some(http2) => http2,
                None => stream.begins_with_http2().await.map_err(OpenError::Lost)?,
            };
            Ok((stream, http2))
        };
        let (stream, http2) = tokio::time::timeout(timeout, opening).await.unwrap_or(Err(OpenError::Silent))?;
        Ok(Opened { stream, http2, address, seat })
    }
}

/// Whether the first byte, which stays where it is, begins a handshake. A word to who has only mistaken the scheme.
async fn speaks_tls(mut tcp: TcpStream) -> Result<TcpStream, OpenError> {
    let mut first = [0];
    match tcp.peek(&mut first).await {
        Err(error) => Err(OpenError::Lost(error)),
        Ok(0) => Err(OpenError::Lost(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) if first[0] == TLS_HANDSHAKE => Ok(tcp),
        Ok(_) => {
            if first[0].is_ascii_uppercase() {
                // Whether it arrives is the peer's affair.
                let _ = tcp.write_all(HTTPS_WANTED).await;
                let _ = tcp.shutdown().await;
                // What is unread when a socket is closed resets the connection, and the answer with it.
                let mut rest = [0; 1024];
                let _ = tcp.readable().await.and_then(|()| tcp.try_read(&mut rest));
            }
            Err(OpenError::NotTls)
        }
    }
}
