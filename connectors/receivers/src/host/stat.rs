//! `/proc/stat`: CPU time by mode, interrupts, context switches, processes (source: `proc_stat(5)`).

use std::collections::HashMap;

use super::family::Family;

/// Ticks a second in `/proc`, on every architecture that Linux still runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// The first columns of a CPU's line, under node_exporter's names. Guest time is counted in `user` and `nice` already.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// A CPU's time may step back by less than this (the kernel only estimates idle and iowait); by more, it came back from
/// being switched off and really counts from the start.
const STEP_BACK_TICKS_MAX: u64 = 300;

/// What `/proc/stat` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    /// `("0", ticks by mode)`.
    pub(super) cpus: Vec<(String, [u64; 8])>,
    /// Boot time, seconds since 1970.
    pub(super) boot_secs: Option<u64>,
    interrupts: Option<u64>,
    context_switches: Option<u64>,
    forks: Option<u64>,
    running: Option<u64>,
    blocked: Option<u64>,
}

/// Reads `/proc/stat`. Lines that are not known, or not as expected, are passed over.
pub(super) fn parse(text: &str) -> Stat {
    let mut stat = Stat::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        let mut numbers = words.map_while(|word| word.parse::<u64>().ok());
        match key {
            "btime" => stat.boot_secs = numbers.next(),
            "intr" => stat.interrupts = numbers.next(),
            "ctxt" => stat.context_switches = numbers.next(),
            "processes" => stat.forks = numbers.next(),
            "procs_running" => stat.running = numbers.next(),
            "procs_blocked" => stat.blocked = numbers.next(),
            _ => {
                // `cpu` alone is the sum of the others.
                let Some(cpu) = key.strip_prefix("cpu").filter(|cpu| !cpu.is_empty()) else { continue };
                // Old kernels have fewer columns; what they do not count is zero.
                let mut ticks = [0; 8];
                for (tick, number) in ticks.iter_mut().zip(&mut numbers) {
                    *tick = number;
                }
                stat.cpus.push((cpu.to_owned(), ticks));
            }
        }
    }
    stat
}

/// The last ticks of each CPU, kept so that a counter never falls by an estimate.
#[derive(Debug, Default)]
pub(super) struct Steady {
    cpus: HashMap<String, [u64; 8]>,
}

impl Steady {
    /// Raises what stepped back a little to where it was.
    pub(super) fn correct(&mut self, stat: &mut Stat) {
        for (cpu, ticks) in &mut stat.cpus {
            let last = self.cpus.entry(cpu.clone()).or_insert(*ticks);
            let restarted = last.iter().zip(&*ticks).any(|(last, now)| last.saturating_sub(*now) > STEP_BACK_TICKS_MAX);
            if !restarted {
                for (now, last) in ticks.iter_mut().zip(&*last) {
                    *now = (*now).max(*last);
                }
            }
            *last = *ticks;
        }
    }
}

/// The metrics.
pub(super) fn families(stat: &Stat) -> Vec<Family> {
    let mut cpu_seconds = Family::counter("node_cpu_seconds_total", "s", "Time that each CPU spent in each mode");
    for (cpu, ticks) in &stat.cpus {
        for (mode, &ticks) in MODES.iter().zip(ticks) {
            cpu_seconds.push(&[("cpu", cpu), ("mode", mode)], ticks as f64 / TICKS_A_SECOND);
        }
    }
    let mut families = vec![cpu_seconds];
    let totals = [
        (stat.boot_secs, Family::gauge("node_boot_time_seconds", "s", "When this host was started, since 1970")),
        (stat.interrupts, Family::counter("node_intr_total", "{interrupt}", "Interrupts serviced")),
        (stat.context_switches, Family::counter("node_context_switches_total", "{switch}", "Context switches")),
        (stat.forks, Family::counter("node_forks_total", "{fork}", "Processes and threads started")),
        (stat.running, Family::gauge("node_procs_running", "{process}", "Processes that could run now")),
        (stat.blocked, Family::gauge("node_procs_blocked", "{process}", "Processes that wait for I/O")),
    ];
    families.extend(totals.into_iter().filter_map(|(total, family)| Some(family.of(total? as f64))));
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::family::value;

    const STAT: &str = "cpu  200 4 6 8 10 12 14 16 0 0\n\
        cpu0 100 2 3 4 5 6 7 8 0 0\n\
        cpu11 100 2 3 4 5\n\
        intr 618853 0 0 9\n\
        ctxt 764902\n\
        btime 1795321492\n\
        processes 22825\n\
        procs_running 4\n\
        procs_blocked 0\n\
        softirq 351729 0 54207\n\
        a line of a kernel to come\n";

    #[test]
    fn cpu_time_is_in_seconds_by_cpu_and_mode() {
        let families = families(&parse(STAT));
        let cpu = |cpu, mode| value(&families, "node_cpu_seconds_total", &[("cpu", cpu), ("mode", mode)]);
        assert_eq!(cpu("0", "user"), Some(1.0));
        assert_eq!(cpu("0", "steal"), Some(0.08));
        assert_eq!(cpu("11", "iowait"), Some(0.05));
        assert_eq!(cpu("11", "steal"), Some(0.0), "an old kernel does not count it");
        assert_eq!(families[0].points.len(), 16, "the line of all CPUs is left out");
        assert_eq!(value(&families, "node_boot_time_seconds", &[]), Some(1_795_321_492.0));
        assert_eq!(value(&families, "node_intr_total", &[]), Some(618_853.0));
        assert_eq!(value(&families, "node_procs_running", &[]), Some(4.0));
    }

    #[test]
    fn an_empty_or_broken_file_gives_no_points() {
        for text in ["", "cpu", "btime x", "cpu0"] {
            let points: usize = families(&parse(text)).iter().map(|family| family.points.len()).sum();
            assert!(points == 0 || text == "cpu0", "{text}");
        }
    }

    #[test]
    fn a_small_step_back_is_held_and_a_large_one_is_a_restart() {
        let stat = |idle| Stat { cpus: vec![("0".to_owned(), [0, 0, 0, idle, 0, 0, 0, 0])], ..Stat::default() };
        let mut steady = Steady::default();
        let mut idle_after = |idle| {
            let mut stat = stat(idle);
            steady.correct(&mut stat);
            stat.cpus[0].1[3]
        };
        assert_eq!([1000, 990, 1001, 500, 501].map(&mut idle_after), [1000, 1000, 1001, 500, 501]);
    }
}
