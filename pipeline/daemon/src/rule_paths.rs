//! Where rules come from: files and folders, and the ready-made ones that are compiled in.

use std::path::PathBuf;

use flyball_rules::definition::{
    Level, Problem, RuleSet, dependencies, duplicates, from_str_with_problems, in_order, load_with_problems,
};
use flyball_rules_library::LibraryFile;

/// What names the ready-made rules in `rules:`, `--rules` and `rules check`.
pub(crate) const LIBRARY_PREFIX: &str = "library:";

/// Rule files by where they are found.
#[derive(Debug, Clone, Default)]
pub(crate) struct RulePaths {
    library: Vec<&'static LibraryFile>,
    /// Files and folders, as given.
    pub(crate) files: Vec<PathBuf>,
}

impl RulePaths {
    /// Reads paths, `library:NAME` and `library:*`.
    ///
    /// # Errors
    /// When the library has no file of that name; the message lists those it has.
    pub(crate) fn parse<S: AsRef<str>>(paths: &[S]) -> Result<Self, String> {
        let mut sources = Self::default();
        for path in paths {
            match path.as_ref().strip_prefix(LIBRARY_PREFIX) {
                None => sources.files.push(PathBuf::from(path.as_ref())),
                Some("*") => sources.library = flyball_rules_library::files().iter().collect(),
                Some(name) => {
                    let file = flyball_rules_library::file(name).ok_or_else(|| {
                        let names: Vec<_> = flyball_rules_library::files().iter().map(|file| file.name).collect();
                        format!("the library has no rules '{name}'; it has {} (or * for all)", names.join(", "))
                    })?;
                    if !sources.library.iter().any(|known| known.name == file.name) {
                        sources.library.push(file);
                    }
                }
            }
        }
        Ok(sources)
    }

    /// Reads all of them, with everything that is wrong. Reads files: blocking.
    ///
    /// `absent` is how bad it is that `unless` names a rule that none of them has: a server has all rules, a command may be given some.
    pub(crate) fn load(&self, absent: Level) -> (RuleSet, Vec<Problem>) {
        let (mut rules, mut problems) = load_with_problems(&self.files);
        for file in &self.library {
            let (file, found) = from_str_with_problems(&format!("{LIBRARY_PREFIX}{}", file.name), file.text);
            rules.files.push(file);
            problems.extend(found);
        }
        problems.extend(duplicates(&rules));
        problems.extend(dependencies(&rules, absent));
        (rules, in_order(problems))
    }
}
