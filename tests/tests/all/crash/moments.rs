//! When to kill.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use flyball_tests::meter::{Chance, Victim};
use flyball_tests::time::instant;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long to wait for a file that announces a flush, a new segment or a checkpoint.
const PATIENCE: Duration = millis(2_500);

/// What flyball is doing when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// Taking points in.
    Serving,
    /// Starting: reading its files, replaying the log, or just through with it.
    Starting,
    /// Writing a history file, a segment or a checkpoint: something in its folders got a new name a moment ago.
    Writing,
    /// Draining after SIGTERM.
    Draining,
}

impl Moment {
    pub(super) fn pick(chance: &mut Chance) -> Self {
        match chance.below(20) {
            0..7 => Moment::Serving,
            7..12 => Moment::Starting,
            12..17 => Moment::Writing,
            _ => Moment::Draining,
        }
    }

    /// Waits for the moment and kills. For [`Moment::Starting`] it was started just now, for all others it is ready.
    #[track_caller]
    pub(super) fn strike(self, victim: &mut Victim, chance: &mut Chance) {
        match self {
            Moment::Serving => {
                std::thread::sleep(chance.within(millis(10)..millis(900)));
                victim.kill();
            }
            Moment::Starting => {
                // Some of them come just after it is ready.
                std::thread::sleep(chance.within(Duration::ZERO..victim.start_took * 5 / 4));
                victim.kill();
            }
            Moment::Writing => {
                wait_for_new_name(&victim.data());
                std::thread::sleep(chance.within(Duration::ZERO..millis(25)));
                victim.kill();
            }
            Moment::Draining => {
                std::thread::sleep(chance.within(millis(10)..millis(300)));
                victim.kill_while_draining(chance.within(Duration::ZERO..millis(600)));
            }
        }
    }
}

/// Looks at the folders of the log and the history until something new is there.
fn wait_for_new_name(data: &Path) {
    let names = || -> HashSet<OsString> {
        let files = ["log", "history"].into_iter().filter_map(|folder| std::fs::read_dir(data.join(folder)).ok());
        files.flatten().filter_map(|file| Some(file.ok()?.file_name())).collect()
    };
    let (before, start) = (names(), instant());
    while names().is_subset(&before) && start.elapsed() < PATIENCE {
        std::thread::sleep(millis(1));
    }
}
