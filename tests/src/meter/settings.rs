//! What the scripts of long runs ask for, by environment variables.

use std::path::PathBuf;
use std::str::FromStr;

use crate::counterparts::env;
use crate::time::now_nanos;

/// A number; `default` where the variable is not set.
///
/// # Panics
/// When it is set to something else.
#[track_caller]
pub fn number<T: FromStr>(variable: &str, default: T) -> T {
    match env(variable) {
        None => default,
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{variable}='{text}' is not a number")),
    }
}

/// The seed of `FLYBALL_SEED`, else one that is new each time.
pub fn seed() -> u64 {
    number("FLYBALL_SEED", now_nanos() / 1_000 % 1_000_000_007)
}

/// A folder that is kept, where one was asked for.
///
/// # Panics
/// When a run before has left its data in it: the books would not know of it.
#[track_caller]
pub fn folder() -> Option<PathBuf> {
    let folder = env("FLYBALL_KEEP").map(PathBuf::from)?;
    assert!(!folder.join("data").exists(), "{} has the data of another run", folder.display());
    Some(folder)
}
