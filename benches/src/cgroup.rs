//! Holding a process to a part of the machine's CPU time, by a control group of Linux (version 1 or 2).
//!
//! The generator then has the rest, and can offer many times what the process takes, which it can't where both share the cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock;

/// The quota is given anew this often. Short, so that a process which has used it up waits some milliseconds and not tens of them.
const PERIOD_MICROS: u64 = 10_000;

/// The kernel takes no smaller quota.
const QUOTA_MICROS_MIN: u64 = 1_000;

/// A group of processes with a quota. It goes when it is dropped, which its processes must have ended before.
#[derive(Debug)]
pub(crate) struct CpuQuota {
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl CpuQuota {
    /// A group that may use so many cores: 0.2 is a fifth of one.
    ///
    /// # Errors
    /// When no group can be made here.
    pub(crate) fn new(cores: f64) -> Result<Self> {
        let quota = (cores * PERIOD_MICROS as f64).round() as u64;
        ensure!(
            quota >= QUOTA_MICROS_MIN,
            "--server-cpu {cores} is too little: {} of a core is the least that Linux gives",
            QUOTA_MICROS_MIN as f64 / PERIOD_MICROS as f64
        );
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let (version, parents) = parents(&mounts, &own).context("--server-cpu needs cgroups, and none are mounted")?;
        let mut refused = Vec::new();
        for parent in parents {
            match Self::make(&parent, version, quota) {
                Ok(group) => return Ok(group),
                Err(error) => refused.push(format!("{error:#}")),
            }
        }
        anyhow::bail!("--server-cpu needs a writable cgroup (run as root): {}", refused.join("; "))
    }

    fn make(parent: &Path, version: Version, quota: u64) -> Result<Self> {
        let dir = parent.join(format!("flyball-bench-{}", std::process::id()));
        if version == Version::Two {
            // Mostly it is on already; where it can't be turned on, there is no cpu.max to write to.
            let _ = fs::write(parent.join("cgroup.subtree_control"), "+cpu");
        }
        fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        let group = Self { dir };
        match version {
            Version::One => {
                group.write("cpu.cfs_period_us", PERIOD_MICROS.to_string())?;
                group.write("cpu.cfs_quota_us", quota.to_string())?;
            }
            Version::Two => group.write("cpu.max", format!("{quota} {PERIOD_MICROS}"))?,
        }
        Ok(group)
    }

    fn write(&self, file: &str, text: String) -> Result<()> {
        let path = self.dir.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// The same command in this group. The shell joins it and becomes the program, so that the process is still the target's.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let mut joined = Command::new("sh");
        joined.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(self.dir.join("cgroup.procs"));
        joined.arg(command.get_program()).args(command.get_args());
        joined
    }
}

impl Drop for CpuQuota {
    fn drop(&mut self) {
        // A process that was waited for may stand in its group for a moment yet.
        for _ in 0..20 {
            match fs::remove_dir(&self.dir) {
                Ok(()) => return,
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
        clock::note(&format!("{} is left behind", self.dir.display()));
    }
}

/// Which version knows CPU time here, and where a group may be made: in our own one, or in those above it.
fn parents(mounts: &str, own: &str) -> Option<(Version, Vec<PathBuf>)> {
    let mounts = || {
        mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
    };
    let one = mounts().find(|(_, kind, options)| *kind == "cgroup" && options.split(',').any(|option| option == "cpu"));
    let (version, (mount, ..)) = match one {
        Some(mount) => (Version::One, mount),
        None => (Version::Two, mounts().find(|(_, kind, _)| *kind == "cgroup2")?),
    };
    let ours = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_it = match version {
            Version::One => controllers.split(',').any(|controller| controller == "cpu"),
            Version::Two => controllers.is_empty(),
        };
        is_it.then(|| path.trim_start_matches('/'))
    });
    let mut dir = PathBuf::from(mount);
    let mut dirs = vec![dir.clone()];
    for part in ours.unwrap_or_default().split('/').filter(|part| !part.is_empty()) {
        dir.push(part);
        dirs.push(dir.clone());
    }
    dirs.reverse();
    Some((version, dirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_made_in_our_own_one_or_above_it_in_either_version() {
        let one = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
                   cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let two = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        let cases = [
            (
                one,
                "4:cpuset:/\n2:cpu,cpuacct:/user/me\n0::/x\n",
                Version::One,
                &[
                    "/sys/fs/cgroup/cpu,cpuacct/user/me",
                    "/sys/fs/cgroup/cpu,cpuacct/user",
                    "/sys/fs/cgroup/cpu,cpuacct",
                ][..],
            ),
            (two, "0::/user.slice\n", Version::Two, &["/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"][..]),
            (two, "", Version::Two, &["/sys/fs/cgroup"][..]),
        ];
        for (mounts, own, version, expected) in cases {
            let (found, dirs) = parents(mounts, own).expect("they are mounted");
            assert!(
                found == version && dirs.iter().map(|dir| dir.to_string_lossy()).eq(expected.iter().copied()),
                "{dirs:?}"
            );
        }
        assert!(parents("proc /proc proc rw 0 0\n", "0::/\n").is_none());
    }

    #[test]
    fn less_than_the_kernel_gives_is_refused_with_the_least() {
        let error = CpuQuota::new(0.05).expect_err("it is too little").to_string();
        assert_eq!(error, "--server-cpu 0.05 is too little: 0.1 of a core is the least that Linux gives");
    }
}
