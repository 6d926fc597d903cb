//! A file in Prometheus' text format or OpenMetrics, served over HTTP. Without a content type it is as Scaphandre does it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::time::now_nanos;

/// A server of one file.
#[derive(Debug)]
pub struct Exposition {
    /// `host:port`.
    pub address: String,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Exposition {
    /// Serves a file of `tests/data` on a free port, without a content type.
    ///
    /// # Panics
    /// When the file is not there or no port is free.
    #[track_caller]
    pub fn serve(file: &str) -> Self {
        Self::serve_as(file, None)
    }

    /// Serves a file of `tests/data` on a free port. `NOW` in it becomes the seconds since the epoch.
    ///
    /// # Panics
    /// When the file is not there or no port is free.
    #[track_caller]
    pub fn serve_as(file: &str, content_type: Option<&'static str>) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = text.replace("NOW", &(now_nanos() / 1_000_000_000).to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address").to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A client that breaks off is no concern of the server's.
                let _ = stream.and_then(|stream| answer(stream, content_type, &text));
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Exposition {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the loop up.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, content_type: Option<&str>, text: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&chunk[..read]),
        }
    }
    let content_type = content_type.map(|value| format!("Content-Type: {value}\r\n")).unwrap_or_default();
    let length = text.len();
    write!(stream, "HTTP/1.1 200 OK\r\n{content_type}Content-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}
