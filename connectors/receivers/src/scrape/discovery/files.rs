//! `file_sd`: files with target groups, looked at again and again.
//!
//! Looked at, not watched: a look is a `stat` a file, works on every file system (network mounts and the symlinks of mounted
//! ConfigMaps tell of no event), and a few seconds are soon enough.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flyball_model::relabel::LabelSet;
use tokio::time::MissedTickBehavior;

use super::{Teller, groups};

/// A file is at most this long.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Files that one pattern matches at most.
const FILES_MAX: usize = 1000;

/// Looks closer together than this would find nothing more.
const REFRESH_MIN: Duration = Duration::from_millis(100);

const ORIGIN: &str = "__meta_filepath";

/// A file as it was when it was last read.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<(SystemTime, u64)>,
    targets: Vec<LabelSet>,
    /// Why it could not be read. It is tried again each time then: what is mended (rights, a mount) need not change the stamp.
    problem: Option<String>,
}

impl Known {
    /// Takes over what was read; a problem is told once.
    fn take(&mut self, read: Result<Vec<LabelSet>, String>, path: &Path, job: &str) {
        match read {
            Ok(targets) => (self.targets, self.problem) = (targets, None),
            Err(problem) if self.problem.as_ref() == Some(&problem) => {}
            Err(problem) => {
                let file = path.display();
                tracing::warn!(job, %file, problem, "a file of targets can't be read; what it said before stays");
                self.problem = Some(problem);
            }
        }
    }
}

type Files = BTreeMap<PathBuf, Known>;

pub(super) async fn run(patterns: &[PathBuf], refresh: Duration, job: &str, mut teller: Teller) -> Infallible {
    let mut ticks = tokio::time::interval(refresh.max(REFRESH_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut known = Files::new();
    loop {
        ticks.tick().await;
        let (patterns, job) = (patterns.to_vec(), job.to_owned());
        let before = std::mem::take(&mut known);
        // Disks may be slow, and network mounts dead.
        known = match tokio::task::spawn_blocking(move || look(&patterns, before, &job)).await {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, "looking for files of targets failed");
                continue;
            }
        };
        teller.tell(known.values().flat_map(|file| file.targets.iter().cloned()).collect()).await;
    }
}

/// All files that are there now. One that can't be read any more keeps its targets, one that is gone takes them along.
fn look(patterns: &[PathBuf], mut before: Files, job: &str) -> Files {
    let mut now = Files::new();
    for path in patterns.iter().flat_map(|pattern| matches(pattern)) {
        let mut known = before.remove(&path).unwrap_or_default();
        let metadata = std::fs::metadata(&path);
        let stamp = metadata.as_ref().ok().and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
        if stamp.is_none() || known.stamp != stamp || known.problem.is_some() {
            let read = metadata.map_err(|error| error.to_string()).and_then(|metadata| read(&path, metadata.len()));
            known.take(read, &path, job);
            known.stamp = stamp;
        }
        now.insert(path, known);
    }
    now
}

fn read(path: &Path, bytes: u64) -> Result<Vec<LabelSet>, String> {
    if bytes > FILE_BYTES_MAX {
        return Err(format!("it is {bytes} bytes long, the limit is {FILE_BYTES_MAX}"));
    }
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    groups::from_yaml(&name, &text, (ORIGIN, &name))
}

/// The files of a path whose last part may have `*` in it.
fn matches(pattern: &Path) -> Vec<PathBuf> {
    let Some(last) = pattern.file_name().and_then(|name| name.to_str()).filter(|name| name.contains('*')) else {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    };
    let folder = pattern.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<_> = names.filter(|name| is_like(name, last)).map(|name| folder.join(name)).collect();
    found.sort();
    found.truncate(FILES_MAX);
    found
}

/// Whether a name is that of a pattern in which `*` stands for anything.
fn is_like(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(files: &Files) -> Vec<&str> {
        files.values().flat_map(|file| &file.targets).map(|labels| labels["__address__"].as_str()).collect()
    }

    #[test]
    fn files_come_change_break_and_go() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("writable");
        let patterns = [path("t*.json"), path("one.yml")];
        let files = look(&patterns, Files::new(), "j");
        assert_eq!(addresses(&files), [""; 0]);

        write("t1.json", r#"[{"targets": ["a:1"]}]"#);
        write("one.yml", "- targets: ['b:1']\n");
        write("other.json", r#"[{"targets": ["x:1"]}]"#);
        let files = look(&patterns, files, "j");
        assert_eq!(addresses(&files), ["b:1", "a:1"]);
        assert_eq!(files[&path("t1.json")].targets[0][ORIGIN], path("t1.json").display().to_string());

        write("t1.json", r#"[{"targets": ["a:1", "a:2"]}]"#);
        write("one.yml", "- targets: [\n");
        let files = look(&patterns, files, "j");
        assert_eq!(addresses(&files), ["b:1", "a:1", "a:2"], "the broken file's targets stay");

        std::fs::remove_file(path("one.yml")).expect("it is there");
        assert_eq!(addresses(&look(&patterns, files, "j")), ["a:1", "a:2"]);
    }

    #[test]
    fn a_file_that_could_not_be_read_is_read_again_although_it_looks_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("t.json");
        let write = |text: &str| {
            std::fs::write(&path, text).expect("writable");
            let file = std::fs::File::options().write(true).open(&path).expect("just written");
            file.set_modified(SystemTime::UNIX_EPOCH).expect("our own file");
        };
        let patterns = [path.clone()];
        write(r#"[{"targets": ["a:1"]]]"#);
        let files = look(&patterns, Files::new(), "j");
        assert_eq!(addresses(&files), [""; 0]);
        write(r#"[{"targets": ["a:1"]}]"#);
        let files = look(&patterns, files, "j");
        assert_eq!(addresses(&files), ["a:1"]);
        assert!(files[&path].problem.is_none());
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (name, pattern, expected) in [
            ("a.json", "*.json", true),
            ("a.json", "*", true),
            ("a.json.bak", "*.json", false),
            ("tg_a_b.yml", "tg_*_*.yml", true),
            ("tg_a.yml", "tg_*_*.yml", false),
            ("aa", "a*a", true),
            ("a", "a*a", false),
        ] {
            assert_eq!(is_like(name, pattern), expected, "{name} {pattern}");
        }
    }
}
