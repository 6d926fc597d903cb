//! What `/metrics` says of connections and of who was not let in.

use std::fmt::Write;
use std::sync::Arc;

use flyball_receivers::net::Seats;

use crate::access::Access;

/// All ports, and who judges there.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) ports: Vec<Arc<Seats>>,
    pub(crate) access: Arc<Access>,
}

impl Entrance {
    /// Families in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let mut page = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(&str, &str, u64)>| {
            // Writing to a String can't fail.
            let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for (label, value, number) in samples {
                let _ = writeln!(page, "{name}{{{label}=\"{value}\"}} {number}");
            }
        };
        let of_ports = |count: fn(&Seats) -> u64| -> Vec<_> {
            self.ports.iter().map(|seats| ("port", seats.port(), count(seats))).collect()
        };
        family(
            "flyball_connections",
            "gauge",
            "Connections that are open, by port.",
            of_ports(|seats| seats.open() as u64),
        );
        family(
            "flyball_connections_max",
            "gauge",
            "The bound on connections, by port.",
            of_ports(|seats| seats.max() as u64),
        );
        family(
            "flyball_connections_refused_total",
            "counter",
            "Connections that were closed at once since the port had as many as it may have.",
            of_ports(Seats::refused),
        );
        let denials = self.access.denials().map(|(why, count)| ("reason", why, count)).to_vec();
        family("flyball_access_denied_total", "counter", "Requests whose sender was not let in, by reason.", denials);
        page
    }
}
