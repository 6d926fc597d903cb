//! What the machine has to spare.

use std::num::NonZero;
use std::thread::available_parallelism;

use flyball_runtime::IdleCores;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

/// Looks at the machine each time it is asked. Where this process is held to a part of the machine (by a quota of its container),
/// no more is to spare than is left of the part. Nothing, where the system does not tell.
pub(crate) fn idle_cores() -> IdleCores {
    let (Ok(mut system), Ok(own)) = (System::new(), get_current_pid()) else { return Box::new(|| 0.0) };
    let allowed = available_parallelism().map_or(1, NonZero::get) as f64;
    Box::new(move || {
        system.refresh_cpu_usage();
        let kind = ProcessRefreshKind::nothing().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
        let of_machine = system.cpus().iter().map(|cpu| 1.0 - cores(cpu.usage())).sum::<f64>();
        let of_own = allowed - system.process(own).map_or(0.0, |own| cores(own.cpu_usage()));
        of_machine.min(of_own).max(0.0)
    })
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
        let mut idle = idle_cores();
        idle();
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(50));
        let cores = idle();
        assert!((0.0..=available_parallelism().map_or(1, NonZero::get) as f64).contains(&cores), "{cores}");
    }
}
