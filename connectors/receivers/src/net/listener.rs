//! A port with a bound on its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::tls::Tls;

/// Connections of one port at once, where the limit on open files allows it. Ten thousand idle ones must leave room for those who
/// work; an idle one costs a few kilobytes.
pub const CONNECTIONS_MAX: usize = 16_384;

/// Connections that may wait in the kernel to be accepted. A fleet comes back all at once after a restart; who finds no place tries
/// again a second later, and two seconds after that.
const BACKLOG: u32 = 4096;

/// The pause after a connection could not be accepted for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Failures in a row after which the listener is given up.
const ACCEPT_FAILURES_MAX: u32 = 150;

/// The connections of all ports together, which share the limit on open files.
#[derive(Debug)]
pub struct House {
    max: usize,
    open: AtomicUsize,
}

impl House {
    /// A house for at most `max` connections.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: AtomicUsize::new(0) })
    }

    /// Seats at a port, under its name in `/metrics`: at most three of four of the house, so that no port can take all of them.
    pub fn seats(self: &Arc<Self>, port: &'static str) -> Arc<Seats> {
        let max = CONNECTIONS_MAX.min(self.max - self.max / 4).max(1);
        Arc::new(Seats { port, max, open: AtomicUsize::new(0), refused: AtomicU64::new(0), house: Arc::clone(self) })
    }
}

/// The connections of one port, counted.
#[derive(Debug)]
pub struct Seats {
    port: &'static str,
    max: usize,
    open: AtomicUsize,
    refused: AtomicU64,
    house: Arc<House>,
}

impl Seats {
    /// The port's name.
    pub fn port(&self) -> &'static str {
        self.port
    }

    /// The bound.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that were closed at once since all seats were taken.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether three of four seats are taken, at the port or in the house; then idle connections have to go sooner.
    pub fn crowded(&self) -> bool {
        let full = |open: usize, max: usize| open >= max - max / 4;
        full(self.open(), self.max) || full(self.house.open.load(Ordering::Relaxed), self.house.max)
    }

    /// A seat, if one is free.
    pub fn take(self: &Arc<Self>) -> Option<Seat> {
        // Made first, so that what was counted is given back when it turns out to be one too many.
        let (here, house) =
            (self.open.fetch_add(1, Ordering::Relaxed), self.house.open.fetch_add(1, Ordering::Relaxed));
        let seat = Seat(Arc::clone(self));
        if here < self.max && house < self.house.max {
            return Some(seat);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// One connection's place among the [`Seats`], given back when dropped.
#[derive(Debug)]
pub struct Seat(Arc<Seats>);

impl Seat {
    /// All seats of its port.
    pub fn seats(&self) -> &Arc<Seats> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.house.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    seats: Arc<Seats>,
}

/// Who came.
#[derive(Debug)]
pub enum Arrival {
    /// A connection with a seat; nothing has been read of it.
    Seated(Guest),
    /// One too many: it was closed, and counted in [`Seats::refused`].
    Refused(SocketAddr),
}

/// A connection that was accepted, before its first byte.
#[derive(Debug)]
pub struct Guest {
    pub(super) tcp: TcpStream,
    pub(super) tls: Option<Arc<Tls>>,
    /// Who it is.
    pub address: SocketAddr,
    pub(super) seat: Seat,
}

impl Listener {
    /// Binds an address; its connections speak TLS where `tls` is given.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn bind(address: SocketAddr, tls: Option<Arc<Tls>>, seats: Arc<Seats>) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Or a restart would have to wait for the connections of before to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self::new(socket.listen(BACKLOG)?, tls, seats))
    }

    /// A port whose connections speak TLS where `tls` is given.
    pub fn new(tcp: TcpListener, tls: Option<Arc<Tls>>, seats: Arc<Seats>) -> Self {
        Self { tcp, tls, seats }
    }

    /// Its connections, counted.
    pub fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// Its address.
    ///
    /// # Errors
    /// When the socket has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The next connection. A shortage of file descriptors passes, so it is waited for; the backlog waits in the kernel.
    ///
    /// # Errors
    /// When connections can't be accepted any more.
    ///
    /// # Cancel safety
    /// Nobody is lost.
    pub async fn accept(&self) -> io::Result<Arrival> {
        let mut failures = 0;
        let (tcp, address) = loop {
            match self.tcp.accept().await {
                Ok(accepted) => break accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if failures == ACCEPT_FAILURES_MAX => return Err(error),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, port = self.seats.port, "can't accept a connection; trying on");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        let Some(seat) = self.seats.take() else { return Ok(Arrival::Refused(address)) };
        // Answers are small and wait for nothing behind them.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%address, %error, "TCP_NODELAY can't be set");
        }
        Ok(Arrival::Seated(Guest { tcp, tls: self.tls.clone(), address, seat }))
    }
}

/// Whether the error speaks of a connection that was gone before it was accepted, and not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_leaves_seats_to_the_others() {
        let house = House::new(8);
        let (one, other) = (house.seats("http"), house.seats("otlp_grpc"));
        let taken: Vec<_> = std::iter::from_fn(|| one.take()).collect();
        let rest: Vec<_> = std::iter::from_fn(|| other.take()).collect();
        assert_eq!((taken.len(), rest.len(), one.max()), (6, 2, 6));
        assert!(other.crowded(), "the house is full");
        drop(taken);
        assert!(!other.crowded() && other.take().is_some());
        assert_eq!(House::new(usize::MAX).seats("http").max(), CONNECTIONS_MAX);
    }

    #[test]
    fn seats_are_given_back_and_those_who_find_none_are_counted() {
        let seats = House::new(5).seats("http");
        let mut taken: Vec<_> = (0..3).filter_map(|_| seats.take()).collect();
        assert!(seats.crowded() && seats.open() == 3);
        taken.extend(seats.take());
        assert!(seats.take().is_none() && seats.take().is_none());
        assert_eq!((seats.open(), seats.refused()), (4, 2));
        taken.truncate(2);
        assert!(!seats.crowded() && seats.take().is_some());
        assert_eq!(seats.open(), 2);
    }
}
