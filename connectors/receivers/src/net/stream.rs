//! A connection, secured or not, of which the first bytes may have been looked at.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The bytes of one connection.
#[derive(Debug)]
pub struct Stream {
    inner: Inner,
    /// What was read to find out what is spoken, and how much of it has been read again.
    start: [u8; PREFACE.len()],
    start_len: u8,
    start_read: u8,
}

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    // Boxed: a session is a kilobyte, and most connections have none.
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self { inner: Inner::Plain(tcp), start: [0; PREFACE.len()], start_len: 0, start_read: 0 }
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(tls: TlsStream<TcpStream>) -> Self {
        Self { inner: Inner::Tls(Box::new(tls)), start: [0; PREFACE.len()], start_len: 0, start_read: 0 }
    }
}

impl Stream {
    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        matches!(self.inner, Inner::Tls(_))
    }

    /// Whether the peer begins to speak HTTP/2. Waits until that can be said; what was read is read again.
    ///
    /// # Errors
    /// When the connection ends or breaks before.
    pub(super) async fn begins_with_http2(&mut self) -> io::Result<bool> {
        loop {
            let len = usize::from(self.start_len);
            if self.start[..len] != PREFACE[..len] {
                return Ok(false);
            }
            if len == PREFACE.len() {
                return Ok(true);
            }
            let read = match &mut self.inner {
                Inner::Plain(tcp) => tcp.read(&mut self.start[len..]).await?,
                Inner::Tls(tls) => tls.read(&mut self.start[len..]).await?,
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.start_len += u8::try_from(read).expect("at most the preface is read");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (read, len) = (usize::from(self.start_read), usize::from(self.start_len));
        if read < len {
            let some = (len - read).min(buf.remaining());
            buf.put_slice(&self.start[read..read + some]);
            self.start_read += u8::try_from(some).expect("at most the preface is read");
            return Poll::Ready(Ok(()));
        }
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Inner::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Inner::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Inner::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(tcp) => tcp.is_write_vectored(),
            Inner::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Inner::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Inner::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
