//! Small disks that fail as real ones do. Root may mount them; where nobody may, their tests say so and are skipped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flyball_tests::process::run;
use tempfile::TempDir;

/// Where the kernel hands out disks of compressed memory.
const ZRAM: &str = "/sys/class/zram-control";

/// A file system of its own, gone with its value.
#[derive(Debug)]
pub(super) struct Disk {
    device: Option<Device>,
    options: &'static str,
    dir: TempDir,
}

impl Disk {
    /// A file system in memory, of a size.
    #[track_caller]
    pub(super) fn in_memory(mebibytes: u32) -> Option<Self> {
        let disk = Self { device: None, options: "", dir: flyball_tests::flyball::temp_dir() };
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]).then_some(disk)
    }

    /// An ext4 on a device that can be told to refuse every write. It takes what it is given into the page cache, and says no when it is
    /// asked to keep it; after that its pages count as written. It has no journal, whose end would be the end of the file system.
    #[track_caller]
    pub(super) fn failing(mebibytes: u32, options: &'static str) -> Option<Self> {
        let device = Device::new(mebibytes)?;
        let made = run(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-O", "^has_journal"]).arg(device.path()));
        assert!(made.status.success(), "{}", made.stderr);
        let disk = Self { device: Some(device), options, dir: flyball_tests::flyball::temp_dir() };
        disk.mount_device().then_some(disk)
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Lets the device refuse every write from here on, or none. What was written so far is on it.
    #[track_caller]
    pub(super) fn refuse_writes(&self, refuse: bool) {
        let synced = run(&mut Command::new("sync"));
        assert!(synced.status.success() || !refuse, "{}", synced.stderr);
        // A page of memory in all; 0 is no limit.
        self.device().set("mem_limit", if refuse { "4096" } else { "0" });
    }

    /// Makes the kernel find an error in the file system, after which it is read-only if its options want that.
    #[track_caller]
    pub(super) fn find_error(&self) {
        let file = format!("/sys/fs/ext4/zram{}/trigger_fs_error", self.device().0);
        fs::write(&file, "1").unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    /// Lets go of it and mounts it again: what only the page cache had is gone, as after a power cut.
    #[track_caller]
    pub(super) fn mount_again(&self) {
        let gone = run(Command::new("umount").arg(self.path()));
        assert!(gone.status.success(), "{}", gone.stderr);
        assert!(self.mount_device(), "it was mounted before");
    }

    #[track_caller]
    fn device(&self) -> &Device {
        self.device.as_ref().expect("a disk in memory has no device")
    }

    #[track_caller]
    fn mount_device(&self) -> bool {
        self.mount(&["-o", self.options, &self.device().path()])
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mounted = run(Command::new("mount").args(arguments).arg(self.path()));
        if !mounted.status.success() {
            skipped(mounted.stderr.trim());
        }
        mounted.status.success()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that still ends must not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// A disk of compressed memory, by its number. With a limit that is reached, every write to it is an error, whole.
#[derive(Debug)]
struct Device(u32);

impl Device {
    #[track_caller]
    fn new(mebibytes: u32) -> Option<Self> {
        // Reading makes one, which only root may.
        let Ok(number) = fs::read_to_string(format!("{ZRAM}/hot_add")) else {
            skipped("no zram device can be made");
            return None;
        };
        let device = Self(number.trim().parse().expect("the number of a new device"));
        device.set("disksize", &format!("{mebibytes}M"));
        Some(device)
    }

    fn path(&self) -> String {
        format!("/dev/zram{}", self.0)
    }

    #[track_caller]
    fn set(&self, name: &str, value: &str) {
        let file = format!("/sys/block/zram{}/{name}", self.0);
        fs::write(&file, value).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Busy for as long as its file system is; a process that was killed just now takes a moment to be gone.
        for _ in 0..50 {
            let _ = fs::write(format!("/sys/block/zram{}/reset", self.0), "1");
            if fs::write(format!("{ZRAM}/hot_remove"), self.0.to_string()).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Says that a test is skipped. Not a failure where everything must be there: what is missing is no program.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: needs root, who may mount a file system ({why})");
}

/// Writes a file until there is no room left.
#[track_caller]
pub(super) fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).expect("a new file");
    for bytes in [1 << 20, 1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![b'x'; bytes]).is_ok() {}
    }
    path
}
