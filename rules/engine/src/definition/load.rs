//! Finding rule files and putting them together.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flyball_yaml::{Level, Place, Problem, Source, in_order};

use super::read::read_file;
use super::rule::{RuleFile, RuleSet};
use super::unless::dependencies;
use crate::check::codes::{TOO_MANY, TWICE};

/// The largest rule file, 10 MB: a hundred times the largest that people write.
pub const FILE_BYTES_MAX: u64 = 10_000_000;
/// The most rules that are in force together: each has a plan and a state of its own, some 50 KB in all. Twice as many as a large estate's.
pub const RULES_MAX: usize = 20_000;
/// The most rule files, and the most folders that are looked into for them, so that a wrong path (`/`) ends with a word and not
/// with the memory.
pub const FILES_MAX: usize = 10_000;
/// Folders inside each other; rules that stand deeper are not meant.
const FOLDER_DEPTH_MAX: usize = 16;

/// Reads rule files, and folders with all `*.yaml` and `*.yml` in and below them, in the order of their names. Hidden files and
/// folders are left out (Kubernetes keeps the versions of a mounted ConfigMap in hidden folders).
///
/// # Errors
/// Everything that is wrong with any of the files, two rules of one name, and what [`dependencies`] finds.
pub fn load(paths: &[PathBuf]) -> Result<RuleSet, Vec<Problem>> {
    let (rules, mut problems) = load_with_problems(paths);
    problems.extend(dependencies(&rules, Level::Error));
    let problems = in_order(problems);
    if problems.iter().any(Problem::is_error) { Err(problems) } else { Ok(rules) }
}

/// The same, with what is good of files that have problems, so that a check can go on; without [`dependencies`], since other rules may
/// come to these.
pub fn load_with_problems(paths: &[PathBuf]) -> (RuleSet, Vec<Problem>) {
    let mut finder = Finder::default();
    for path in paths {
        if path.is_dir() {
            let (files, problems) = (finder.files.len(), finder.problems.len());
            finder.look_into(path, 0);
            if (finder.files.len(), finder.problems.len()) == (files, problems) {
                let place = Place::start_of(path.display().to_string());
                let none = "there is no rule file in this folder (*.yaml, *.yml)";
                finder.problems.push(Problem::warning(place, none));
            }
        } else {
            finder.files.push(path.clone());
        }
    }
    let Finder { mut files, mut problems, .. } = finder;
    let mut seen = HashSet::new();
    files.retain(|path| seen.insert(path.clone()));
    let mut set = RuleSet::default();
    for path in files {
        let name = path.display().to_string();
        match read_text(&path) {
            Ok(text) => {
                let (file, found) = read_file(&Source::new(name, text));
                set.files.push(file);
                problems.extend(found);
            }
            Err(message) => problems.push(Problem::error(Place::start_of(name), message)),
        }
    }
    problems.extend(duplicates(&set));
    (set, in_order(problems))
}

/// Reads one file's text, as [`load`] would.
///
/// # Errors
/// Everything that is wrong with it.
pub fn from_str(name: &str, text: &str) -> Result<RuleFile, Vec<Problem>> {
    let (file, problems) = from_str_with_problems(name, text);
    if problems.is_empty() { Ok(file) } else { Err(problems) }
}

/// The same, with what is good of a text that has problems, so that a check can go on.
pub fn from_str_with_problems(name: &str, text: &str) -> (RuleFile, Vec<Problem>) {
    let too_large = text.len() as u64 > FILE_BYTES_MAX;
    let (file, mut problems) = read_file(&Source::new(name, if too_large { "" } else { text }));
    if too_large {
        problems.push(Problem::error(Place::start_of(name), too_long()));
    }
    let mut set = RuleSet { files: vec![file] };
    problems.extend(duplicates(&set));
    (set.files.swap_remove(0), in_order(problems))
}

/// The search for rule files.
#[derive(Default)]
struct Finder {
    files: Vec<PathBuf>,
    folders: usize,
    /// Those that it is in now, as they are without links.
    within: Vec<PathBuf>,
    problems: Vec<Problem>,
}

impl Finder {
    fn look_into(&mut self, folder: &Path, depth: usize) {
        match folder.canonicalize() {
            Ok(real) if self.within.contains(&real) => {
                let message = "this link leads back to a folder that it stands in; take it away".to_owned();
                self.problem(folder, message);
            }
            Ok(real) => {
                self.within.push(real);
                self.list(folder, depth);
                self.within.pop();
            }
            Err(error) => self.problem(folder, format!("the folder can't be read: {error}")),
        }
    }

    fn list(&mut self, folder: &Path, depth: usize) {
        self.folders += 1;
        if self.folders > FILES_MAX || self.files.len() > FILES_MAX {
            // Told once, at the folder that is one too many.
            if self.folders <= FILES_MAX + 1 {
                self.folders = FILES_MAX + 1;
                let message = format!(
                    "there are more than {FILES_MAX} files or folders up to here; is this the right place for rules?"
                );
                self.problem(folder, message);
            }
            return;
        }
        if depth > FOLDER_DEPTH_MAX {
            return self.problem(folder, format!("folders are more than {FOLDER_DEPTH_MAX} deep"));
        }
        let entries = std::fs::read_dir(folder).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>()
        });
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, format!("the folder can't be read: {error}")),
        };
        entries.sort();
        for entry in entries {
            let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let yaml = entry.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if !hidden && entry.is_dir() {
                self.look_into(&entry, depth + 1);
            } else if !hidden && yaml && entry.is_file() {
                // Nothing but files: a pipe with this name would never end.
                self.files.push(entry);
            }
        }
    }

    fn problem(&mut self, path: &Path, message: String) {
        self.problems.push(Problem::error(Place::start_of(path.display().to_string()), message));
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        std::io::ErrorKind::InvalidData => "the file is not text in UTF-8".to_owned(),
        _ => format!("the file can't be read: {error}"),
    };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX { Err(too_long()) } else { Ok(text) }
}

fn too_long() -> String {
    format!("the file is larger than {} MB; split it into several", FILE_BYTES_MAX / 1_000_000)
}

/// Rules of one name, wherever they stand: a name stands in events and tables alone, so it must mean one rule in all files
/// together. Each but the first of a name is a problem; so is the one that is more than [`RULES_MAX`].
pub fn duplicates(set: &RuleSet) -> Vec<Problem> {
    let mut first: HashMap<&str, &Place> = HashMap::new();
    let mut problems = Vec::new();
    if let Some((_, beyond)) = set.rules().nth(RULES_MAX) {
        let message = format!("there are {} rules, and {RULES_MAX} are the most", set.rules().count());
        let hint = "let one rule return many rows: each row is a violation of its own";
        problems.push(Problem::error(beyond.place.clone(), message).hint(hint).code(TOO_MANY));
    }
    for (_, rule) in set.rules() {
        if let Some(earlier) = first.get(rule.name.as_str()) {
            let message = match rule.record {
                Some(_) => format!(
                    "'{}' is recorded twice; let the rules differ in 'labels', or record one of them elsewhere",
                    rule.name
                ),
                None => format!("the rule '{}' is defined twice", rule.name),
            };
            problems
                .push(Problem::error(rule.place.clone(), message).hint(format!("the first is {earlier}")).code(TWICE));
        } else {
            first.insert(&rule.name, &rule.place);
        }
    }
    problems
}
