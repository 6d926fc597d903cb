//! Scaphandre's JSON exporter: a stream of reports, each what one measurement found.
//!
//! The stream is no whole JSON document: an array whose closing bracket is written only on Ctrl-C, or, in later versions,
//! reports one after the other with nothing between them. So reports are cut out of it by their braces ([`frame`]) and
//! read one by one; a bad one costs itself and not those after it.
//!
//! Power is in microwatts (an f32's decimals, `null` where it was not a number), times in seconds since 1970, byte
//! counts and usages are texts, and empty where Scaphandre did not know. Older versions lack command lines, components and
//! containers.

pub mod frame;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use self::frame::{Frame, FrameKind};
use crate::shown::shown;

/// Reports of one body; the bound keeps millions of tiny bad ones from costing a message each.
pub const REPORTS_MAX: usize = 1 << 18;

/// Processes of one report. Scaphandre writes ten unless asked for more.
const CONSUMERS_MAX: usize = 1 << 16;
const DISKS_MAX: usize = 4096;
const SOCKETS_MAX: usize = 1024;
const DOMAINS_MAX: usize = 64;

/// Characters of a problem that are told: what was found may be a text of any length.
const PROBLEM_CHARS_MAX: usize = 300;

/// What one measurement found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report<'a> {
    /// The machine.
    #[serde(borrow)]
    pub host: Host<'a>,
    /// The processes that used most.
    #[serde(default, borrow, deserialize_with = "bounded::<_, _, CONSUMERS_MAX>")]
    pub consumers: Vec<Consumer<'a>>,
    /// The processors' sockets; known Scaphandres write at most one.
    #[serde(default, borrow, deserialize_with = "bounded::<_, _, SOCKETS_MAX>")]
    pub sockets: Vec<Socket<'a>>,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Host<'a> {
    /// Microwatts; 0 before the first measurement.
    pub consumption: Option<f64>,
    /// Seconds since 1970.
    pub timestamp: Option<f64>,
    /// What it is made of.
    #[serde(default, borrow)]
    pub components: Option<Components<'a>>,
}

/// What a machine is made of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Components<'a> {
    /// Its file systems.
    #[serde(default, borrow, deserialize_with = "bounded::<_, _, DISKS_MAX>")]
    pub disks: Vec<Disk<'a>>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Disk<'a> {
    /// `SSD`, `HDD` or `Unknown(…)`.
    #[serde(default, borrow)]
    pub disk_type: Cow<'a, str>,
    /// Where it is mounted.
    #[serde(default, borrow)]
    pub disk_mount_point: Cow<'a, str>,
    /// Whether it can be taken out.
    #[serde(default)]
    pub disk_is_removable: bool,
    /// `ext4` and the like.
    #[serde(default, borrow)]
    pub disk_file_system: Cow<'a, str>,
    /// Its size in bytes, as text; empty when not known.
    #[serde(default, borrow)]
    pub disk_total_bytes: Cow<'a, str>,
    /// What is free of it in bytes, as text; empty when not known.
    #[serde(default, borrow)]
    pub disk_available_bytes: Cow<'a, str>,
    /// `/dev/vda1`.
    #[serde(default, borrow)]
    pub disk_name: Cow<'a, str>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Consumer<'a> {
    /// The program's file name.
    #[serde(default, borrow)]
    pub exe: Cow<'a, str>,
    /// Its command line.
    #[serde(default, borrow)]
    pub cmdline: Cow<'a, str>,
    /// Its number.
    pub pid: i64,
    /// What else it uses, with `--resources`.
    #[serde(default, borrow)]
    pub resources_usage: Option<Resources<'a>>,
    /// Microwatts.
    pub consumption: Option<f64>,
    /// Seconds since 1970.
    pub timestamp: Option<f64>,
    /// The container it runs in, with `--containers`.
    #[serde(default, borrow)]
    pub container: Option<Container<'a>>,
}

/// What a process uses beside power. Each figure is a text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Resources<'a> {
    /// Per cent of all cores.
    #[serde(default, borrow)]
    pub cpu_usage: Cow<'a, str>,
    /// Bytes.
    #[serde(default, borrow)]
    pub memory_usage: Cow<'a, str>,
    /// Bytes.
    #[serde(default, borrow)]
    pub memory_virtual_usage: Cow<'a, str>,
    /// Bytes since the last measurement.
    #[serde(default, borrow)]
    pub disk_usage_write: Cow<'a, str>,
    /// Bytes since the last measurement.
    #[serde(default, borrow)]
    pub disk_usage_read: Cow<'a, str>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Container<'a> {
    /// Its name, or names.
    #[serde(default, borrow)]
    pub name: Cow<'a, str>,
    /// Its id.
    #[serde(default, borrow)]
    pub id: Cow<'a, str>,
    /// `containerd` and the like.
    #[serde(default, borrow)]
    pub runtime: Cow<'a, str>,
    /// `docker` or `kubernetes`.
    #[serde(default, borrow)]
    pub scheduler: Cow<'a, str>,
}

/// A processor's socket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Socket<'a> {
    /// Its number.
    pub id: u64,
    /// Microwatts; 0 when the energy counter wrapped.
    pub consumption: Option<f64>,
    /// Seconds since 1970.
    pub timestamp: Option<f64>,
    /// Its RAPL domains.
    #[serde(default, borrow, deserialize_with = "bounded::<_, _, DOMAINS_MAX>")]
    pub domains: Vec<Domain<'a>>,
}

/// A RAPL domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Domain<'a> {
    /// `dram`, `core`, `uncore`.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Microwatts.
    pub consumption: Option<f64>,
    /// Seconds since 1970.
    pub timestamp: Option<f64>,
}

/// A report that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("report {number}, at byte {offset}: {problem}")]
pub struct BadReport {
    /// Its number, from 1.
    pub number: u64,
    /// Where in the stream it begins.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// The reports of a stream, each at its byte and with its number from 1.
pub fn reports(stream: &[u8]) -> impl Iterator<Item = Result<Report<'_>, BadReport>> {
    let mut at = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        let Frame { start, end, kind } = frame::next(stream, at, true)?;
        at = end;
        number += 1;
        let read = match kind {
            FrameKind::Whole => read(&stream[start..end]),
            kind => Err(kind.problem().to_owned()),
        };
        Some(read.map_err(|problem| BadReport { number, offset: start, problem }))
    })
}

fn read(report: &[u8]) -> Result<Report<'_>, String> {
    serde_json::from_slice(report).map_err(|error| shown(&error.to_string(), PROBLEM_CHARS_MAX))
}

/// A list of at most `MAX` items, so that a report of empty objects does not become a list many times as large as itself.
/// `null` is an empty list.
fn bounded<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(serde::de::Error::invalid_length(MAX + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(List::<T, MAX>(std::marker::PhantomData))
}

#[cfg(test)]
mod tests;
