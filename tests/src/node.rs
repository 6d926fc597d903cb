//! Clients in `tests/node`, run by Node with the packages of `tests/node/package.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counterparts;
use crate::flyball::temp_dir;
use crate::process;

/// A Node that has what the scripts need.
#[derive(Debug)]
pub struct Node {
    modules: PathBuf,
}

impl Node {
    /// The one on PATH, with the packages of `FLYBALL_TEST_NODE_MODULES`; `None` where either is missing.
    ///
    /// # Panics
    /// As [`counterparts::missing`] does.
    #[track_caller]
    pub fn need() -> Option<Self> {
        counterparts::need("node", "apt-get install nodejs npm")?;
        match counterparts::env("FLYBALL_TEST_NODE_MODULES").map(PathBuf::from) {
            Some(modules) if modules.is_dir() => Some(Self { modules }),
            _ => {
                let how = "eval \"$(scripts/counterparts)\" installs them where there is npm";
                counterparts::missing("the packages of tests/node/package.json", how);
                None
            }
        }
    }

    /// Runs a script of `tests/node` to its end and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[&str]) -> String {
        // Node looks for packages beside the script.
        let dir = temp_dir();
        let copy = dir.path().join(script);
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("node").join(script);
        fs::copy(&original, &copy).unwrap_or_else(|error| panic!("{}: {error}", original.display()));
        std::os::unix::fs::symlink(&self.modules, dir.path().join("node_modules")).expect("the folder can be written");
        let finished = process::run(Command::new("node").arg(&copy).args(arguments).env_remove("NODE_OPTIONS"));
        assert!(finished.status.success(), "{script}: {}\n{}{}", finished.status, finished.stdout, finished.stderr);
        finished.stdout
    }
}
