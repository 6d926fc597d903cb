//! What the machine has to spare.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use flyball_runtime::IdleCores;
use parking_lot::Mutex;
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, Pid, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};
use tokio::time::Instant;

/// Looks at the machine when it is asked, five times a second at the most. Where this process is held to a part of the machine (by a quota
/// of its container), no more is to spare than is left of the part. Nothing, where the system does not tell.
pub(crate) fn idle_cores() -> IdleCores {
    let (Ok(system), Ok(own)) = (System::new(), get_current_pid()) else { return Arc::new(|| 0.0) };
    let allowed = available_parallelism().map_or(1, NonZero::get) as f64;
    let looks = Mutex::new(Looks { system, own, allowed, latest: None });
    Arc::new(move || looks.lock().idle())
}

struct Looks {
    system: System,
    own: Pid,
    /// Cores that this process may use.
    allowed: f64,
    /// The latest look, and what it found.
    latest: Option<(Instant, f64)>,
}

impl Looks {
    fn idle(&mut self) -> f64 {
        match self.latest {
            Some((at, idle)) if at.elapsed() < MINIMUM_CPU_UPDATE_INTERVAL => idle,
            _ => {
                let idle = self.look();
                self.latest = Some((Instant::now(), idle));
                idle
            }
        }
    }

    fn look(&mut self) -> f64 {
        let Self { system, own, allowed, .. } = self;
        system.refresh_cpu_usage();
        let kind = ProcessRefreshKind::nothing().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[*own]), false, kind);
        let of_machine = system.cpus().iter().map(|cpu| 1.0 - cores(cpu.usage())).sum::<f64>();
        let of_own = *allowed - system.process(*own).map_or(0.0, |own| cores(own.cpu_usage()));
        of_machine.min(of_own).max(0.0)
    }
}

fn cores(per_cent: f32) -> f64 {
    f64::from(per_cent) / 100.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_is_idle_than_there_is() {
        let idle = idle_cores();
        idle();
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(50));
        let cores = idle();
        assert!((0.0..=available_parallelism().map_or(1, NonZero::get) as f64).contains(&cores), "{cores}");
    }
}
