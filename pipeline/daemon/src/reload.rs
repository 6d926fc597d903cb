//! Taking new rules over while running: by SIGHUP, by a changed file, by `POST /api/v1/reload`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::ports::Backend;
use flyball_remediation::BackendInfo;
use flyball_rules::check::BackendActions;
use flyball_rules::definition::{Level, Problem, RuleSet, in_order};
use flyball_rules::query::Database;
use flyball_runtime::Runtime;
use notify::{RecursiveMode, Watcher};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use crate::excuse::Excuse;
use crate::rule_paths::RulePaths;

/// A save is often several events (write, rename, attributes); the last one of a burst counts.
const SETTLE: Duration = Duration::from_millis(200);

/// Reads the rules anew and puts them in force if they are good.
pub(crate) struct Reloader {
    paths: RulePaths,
    backends: BackendActions,
    runtime: Arc<Runtime>,
    /// One reload at a time; the later one sees the later files.
    one_at_a_time: Mutex<()>,
}

/// What each configured backend can do, for the check of rules.
pub(crate) fn actions(backends: &[Arc<dyn Backend>]) -> BackendActions {
    let info = backends.iter().map(|backend| BackendInfo::of(backend.as_ref()));
    info.map(|backend| (backend.name, backend.actions)).collect()
}

/// Reads and checks rules. Beside them are the warnings.
///
/// # Errors
/// Every error that is not excused.
pub(crate) async fn read(
    paths: &RulePaths,
    database: &Database,
    backends: &BackendActions,
    excuse: Excuse,
) -> Result<(RuleSet, Vec<Problem>), Vec<Problem>> {
    let paths = paths.clone();
    let (rules, mut problems) =
        tokio::task::spawn_blocking(move || paths.load(Level::Error)).await.expect("reading rule files does not panic");
    problems.extend(excuse.check(&rules, database, backends).await);
    let (errors, warnings): (Vec<_>, _) = in_order(problems).into_iter().partition(Problem::is_error);
    if errors.is_empty() { Ok((rules, warnings)) } else { Err(errors) }
}

impl Reloader {
    pub(crate) fn new(paths: RulePaths, backends: BackendActions, runtime: Arc<Runtime>) -> Self {
        Self { paths, backends, runtime, one_at_a_time: Mutex::new(()) }
    }

    /// What each configured backend can do.
    pub(crate) fn backends(&self) -> &BackendActions {
        &self.backends
    }

    /// Reads the rules and puts them in force. Returns how many there are, and the warnings.
    ///
    /// # Errors
    /// Every error; then the old rules stay.
    pub(crate) async fn reload(&self) -> Result<(usize, Vec<Problem>), Vec<Problem>> {
        let _turn = self.one_at_a_time.lock().await;
        let in_force = Excuse::InForce(self.runtime.tables.board.rows());
        let (rules, warnings) = read(&self.paths, &self.runtime.database, &self.backends, in_force).await?;
        let count = rules.rules().count();
        self.runtime.rules.replace(rules).await;
        Ok((count, warnings))
    }

    /// The same, with the outcome in the log.
    pub(crate) async fn reload_and_log(&self) {
        match self.reload().await {
            Ok((rules, _)) => tracing::info!(rules, "rules reloaded"),
            Err(problems) => {
                for problem in problems {
                    tracing::error!("{problem}");
                }
                tracing::error!("the rules were not reloaded; the old ones stay in force");
            }
        }
    }
}

/// Reloads when a rule file changes, until `cancel`.
pub(crate) async fn watch(reloader: Arc<Reloader>, cancel: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let tell = Arc::clone(&changed);
    let files = reloader.paths.files.clone();
    let told = move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too, and a folder holds other files, perhaps the very log that tells of a reload.
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(|path| concerns(&files, path))) {
            tell.notify_one();
        }
    };
    let mut watcher = match notify::recommended_watcher(told) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "rule files can't be watched; use SIGHUP or POST /api/v1/reload");
            return;
        }
    };
    for path in &reloader.paths.files {
        // An editor replaces a file by a new one, so its folder is watched, not the file.
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(path) };
        let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
        let mode = if path.is_dir() { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        if let Err(error) = watcher.watch(folder, mode) {
            tracing::warn!(%error, folder = %folder.display(), "this folder can't be watched; use SIGHUP or POST /api/v1/reload");
        }
    }
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = changed.notified() => {}
        }
        while tokio::time::timeout(SETTLE, changed.notified()).await.is_ok() {}
        reloader.reload_and_log().await;
    }
}

/// Whether a changed path is a rule file of these files and folders, or a folder in which one may stand.
fn concerns(rules: &[PathBuf], changed: &Path) -> bool {
    let yaml = changed.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    rules
        .iter()
        .filter_map(|rule| std::path::absolute(rule).ok())
        .any(|rule| changed == rule || (rule.is_dir() && changed.starts_with(&rule) && (yaml || changed.is_dir())))
}
