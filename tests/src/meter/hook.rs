//! A webhook's consumer that is always there, takes everything and never forgets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A server on a free port of loopback.
#[derive(Debug)]
pub struct Hook {
    /// Where events go.
    pub url: String,
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// `webhook-id`: the same for each repetition of an event.
    pub id: String,
    /// `violation.firing`, …
    pub kind: String,
    /// `Rule/label=value,…`
    pub subject: String,
    /// When the violation began: with the subject it names the violation.
    pub active_at: String,
}

impl Hook {
    /// Starts it.
    ///
    /// # Panics
    /// When no port is free.
    #[track_caller]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address").to_string();
        let (told, stop) = (Arc::<Mutex<Vec<Told>>>::default(), Arc::new(AtomicBool::new(false)));
        let (telling, stopped) = (Arc::clone(&told), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let told = Arc::clone(&telling);
                // A connection that breaks off is what the tests are about.
                thread::spawn(move || stream.and_then(|stream| listen(&stream, &told)));
            }
        });
        Self { url: format!("http://{address}/hook"), address, told, stop, thread: Some(thread) }
    }

    /// Everything so far, repetitions too, in order.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("nobody panics with it").clone()
    }

    /// Events so far: the first telling of each id, in order.
    pub fn events(&self) -> Vec<Told> {
        let mut seen = std::collections::HashSet::new();
        self.told().into_iter().filter(|told| seen.insert(told.id.clone())).collect()
    }

    /// The ids under which each violation's events of one kind were told, by (subject, active_at): one is right.
    pub fn ids(&self, kind: &str) -> BTreeMap<(String, String), Vec<String>> {
        let mut ids: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for told in self.events().into_iter().filter(|told| told.kind == kind) {
            ids.entry((told.subject, told.active_at)).or_default().push(told.id);
        }
        ids
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the loop up.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes the requests of one connection.
fn listen(stream: &TcpStream, told: &Mutex<Vec<Told>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut id) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "webhook-id" => value.trim().clone_into(&mut id),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if let Ok(event) = serde_json::from_slice::<Value>(&body) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            told.lock().expect("nobody panics with it").push(Told {
                id,
                kind: text(&event["type"]).trim_start_matches("flyball.").to_owned(),
                subject: text(&event["subject"]),
                active_at: text(&event["data"]["active_at"]),
            });
        }
        (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}
