//! One reading of everything.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use flyball_model::UnixNanos;
use sysinfo::System;

use super::encode::{self, Host};
use super::family::Family;
use super::linux::Linux;
use super::portable::{NoProc, Portable};

/// Reads this machine, and remembers what the next reading needs.
#[derive(Debug)]
pub(super) struct Collector {
    host: Host,
    portable: Portable,
    native: Native,
}

#[derive(Debug)]
enum Native {
    Linux(Linux),
    Other(Box<NoProc>),
}

impl Collector {
    /// A reader of the machine that it runs on.
    pub(super) fn new(host_name: Option<String>) -> Self {
        let name = host_name.or_else(|| System::host_name().ok()).unwrap_or_else(|| "localhost".to_owned());
        let booted_at = System::boot_time().ok().and_then(|secs| i64::try_from(secs).ok()).map(UnixNanos::from_secs);
        let native = if cfg!(target_os = "linux") {
            Native::Linux(Linux::new(Path::new("/proc"), Path::new("/sys")))
        } else {
            Native::Other(Box::new(NoProc::new()))
        };
        Self { host: Host { name, booted_at }, portable: Portable::new(), native }
    }

    /// One reading as an encoded `ExportMetricsServiceRequest`, its points at `now`.
    pub(super) fn request(&mut self, now: UnixNanos, monotonic: Duration) -> Bytes {
        let mut families = self.portable.families();
        families.extend(match &mut self.native {
            Native::Linux(linux) => linux.families(),
            Native::Other(other) => other.families(monotonic),
        });
        let seconds = now.0 as f64 / 1e9;
        families.push(Family::gauge("node_time_seconds", "s", "This host's clock, since 1970").of(seconds));
        encode::request(&self.host, families, now)
    }
}
