//! What `/proc` and `/sys` tell and sysinfo does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::family::Family;
use super::rapl::Rapl;
use super::stat::{self, Steady};
use super::{diskstats, meminfo, thermal};

/// The two file systems, and what must be remembered between readings.
#[derive(Debug)]
pub(super) struct Linux {
    proc: PathBuf,
    sys: PathBuf,
    steady: Steady,
    rapl: Rapl,
}

impl Linux {
    /// Over the given roots, usually `/proc` and `/sys`.
    pub(super) fn new(proc: &Path, sys: &Path) -> Self {
        Self { proc: proc.to_owned(), sys: sys.to_owned(), steady: Steady::default(), rapl: Rapl::default() }
    }

    /// One reading.
    pub(super) fn families(&mut self) -> Vec<Family> {
        let mut families = Vec::new();
        if let Some(text) = read_text(&self.proc.join("stat")) {
            let mut stat = stat::parse(&text);
            self.steady.correct(&mut stat);
            families.extend(stat::families(&stat));
        }
        families.extend(read_text(&self.proc.join("meminfo")).iter().flat_map(|text| meminfo::families(text)));
        families.extend(read_text(&self.proc.join("diskstats")).iter().flat_map(|text| diskstats::families(text)));
        families.push(self.uname());
        families.push(thermal::zones(&self.sys.join("class/thermal")));
        families.extend(thermal::sensors(&self.sys.join("class/hwmon")));
        families.extend(self.rapl.families(&self.sys.join("class/powercap")));
        families
    }

    fn uname(&self) -> Family {
        let mut family = Family::gauge("node_uname_info", "1", "What uname says of this host; always 1");
        let word = |name: &str| {
            let text = read_text(&self.proc.join("sys/kernel").join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        let labels = [
            ("domainname", word("domainname")),
            ("machine", std::env::consts::ARCH.to_owned()),
            ("nodename", word("hostname")),
            ("release", word("osrelease")),
            ("sysname", word("ostype")),
            ("version", word("version")),
        ];
        family.push(&labels.each_ref().map(|(name, value)| (*name, value.as_str())), 1.0);
        family
    }
}

/// A file's text; `None` when it is not there, not readable or not text.
pub(super) fn read_text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The number that a file holds.
pub(super) fn read_number<T: FromStr>(path: &Path) -> Option<T> {
    read_text(path)?.trim().parse().ok()
}

/// What is in a folder, sorted by name; nothing when it is not there.
pub(super) fn sorted_children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut children: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    children.sort_unstable();
    children
}
