//! Taking new rules over while running: by a changed file; and with them the part of the configuration that can change, by SIGHUP or
//! `POST /api/v1/reload`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use flyball_model::ports::Backend;
use flyball_remediation::BackendInfo;
use flyball_remediation::silence::Window;
use flyball_rules::check::BackendActions;
use flyball_rules::definition::{Level, Problem, RuleSet, in_order};
use flyball_rules::query::Database;
use flyball_runtime::Runtime;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Known};
use crate::cli::Serve;
use crate::config::Config;
use crate::excuse::Excuse;
use crate::rule_paths::RulePaths;
use crate::{Failure, wiring};

/// A save is often several events (write, rename, attributes); the last one of a burst counts.
const SETTLE: Duration = Duration::from_millis(200);

/// A file that is being written is read when its writer closes it: until then it may be empty, or end where a rule file could. Who keeps it
/// open for longer is not waited for.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);

/// Reads rules and configuration anew, and puts them in force if they are good.
pub(crate) struct Reloader {
    args: Serve,
    backends: BackendActions,
    runtime: Arc<Runtime>,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
    /// The configuration in force. Held while it changes: one reload at a time; the later one sees the later files.
    config: Mutex<Config>,
    /// The rules in force.
    paths: watch::Sender<RulePaths>,
}

/// What a reload has put in force.
#[derive(Debug)]
pub(crate) struct Reloaded {
    /// How many rules there are.
    pub(crate) rules: usize,
    pub(crate) warnings: Vec<Problem>,
    /// The keys of the configuration that have changed and stay as they were until the next start.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// Why everything stays as it was.
#[derive(Debug)]
pub(crate) struct NotReloaded {
    /// What is bad: `bad_configuration` or `bad_rules`.
    pub(crate) code: &'static str,
    /// One for each problem.
    pub(crate) lines: Vec<String>,
}

impl NotReloaded {
    fn configuration(lines: Vec<String>) -> Self {
        Self { code: "bad_configuration", lines }
    }

    fn rules(problems: Vec<Problem>) -> Self {
        Self { code: "bad_rules", lines: problems.iter().map(ToString::to_string).collect() }
    }

    fn log(&self) {
        for line in &self.lines {
            tracing::error!("{line}");
        }
        tracing::error!("nothing was reloaded; the old rules and configuration stay in force");
    }
}

/// What a new configuration is made into before anything of it is in force.
struct Prepared {
    config: Config,
    needs_restart: Vec<&'static str>,
    known: Known,
    windows: Vec<Window>,
    paths: RulePaths,
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
    /// Rules and configuration are in force already.
    pub(crate) fn new(
        args: Serve,
        config: Config,
        paths: RulePaths,
        backends: BackendActions,
        (runtime, access, clock): (&Arc<Runtime>, &Arc<Access>, &Arc<dyn Clock>),
    ) -> Self {
        Self {
            args,
            backends,
            runtime: Arc::clone(runtime),
            access: Arc::clone(access),
            clock: Arc::clone(clock),
            config: Mutex::new(config),
            paths: watch::Sender::new(paths),
        }
    }

    /// What each configured backend can do.
    pub(crate) fn backends(&self) -> &BackendActions {
        &self.backends
    }

    /// Reads configuration and rules, and puts them in force.
    ///
    /// # Errors
    /// Every error; then all stays as it was.
    pub(crate) async fn reload(&self) -> Result<Reloaded, NotReloaded> {
        let mut config = self.config.lock().await;
        let (args, in_force, clock) = (self.args.clone(), config.clone(), Arc::clone(&self.clock));
        let preparing = tokio::task::spawn_blocking(move || prepare(&args, &in_force, &clock));
        let prepared = preparing.await.expect("reading a configuration does not panic");
        let Prepared { config: new, needs_restart, known, windows, paths } =
            prepared.map_err(NotReloaded::configuration)?;
        let (rules, warnings) = self.read(&paths).await?;
        self.access.replace(known);
        self.runtime.tables.silences.set_windows(windows);
        self.runtime.set_action_limits(wiring::action_limits(&new));
        *config = new;
        let rules = self.put_in_force(rules).await;
        self.paths.send_if_modified(|known| {
            let others = known.files != paths.files;
            *known = paths;
            others
        });
        Ok(Reloaded { rules, warnings, needs_restart })
    }

    /// Reads the rules of the configuration in force, and puts them in force; how many there are.
    ///
    /// # Errors
    /// Every error; then the old rules stay.
    async fn reload_rules(&self) -> Result<usize, NotReloaded> {
        let _turn = self.config.lock().await;
        let paths = self.paths.borrow().clone();
        let (rules, _) = self.read(&paths).await?;
        Ok(self.put_in_force(rules).await)
    }

    async fn read(&self, paths: &RulePaths) -> Result<(RuleSet, Vec<Problem>), NotReloaded> {
        let in_force = Excuse::InForce(self.runtime.tables.board.rows());
        read(paths, &self.runtime.database, &self.backends, in_force).await.map_err(NotReloaded::rules)
    }

    async fn put_in_force(&self, rules: RuleSet) -> usize {
        let count = rules.rules().count();
        self.runtime.rules.replace(rules).await;
        count
    }

    /// [`Reloader::reload`] with the outcome in the log.
    pub(crate) async fn reload_and_log(&self) {
        match self.reload().await {
            Ok(Reloaded { rules, needs_restart, .. }) => {
                tracing::info!(
                    rules,
                    "rules reloaded, and with them tokens, maintenance windows and limits of actions"
                );
                if !needs_restart.is_empty() {
                    let keys = needs_restart.join(", ");
                    tracing::warn!(keys, "the configuration has changed where only a restart takes it over");
                }
            }
            Err(why) => why.log(),
        }
    }
}

/// Reads the configuration and makes of it what a reload takes over. Blocks on files.
///
/// # Errors
/// A line for each problem.
fn prepare(args: &Serve, in_force: &Config, clock: &Arc<dyn Clock>) -> Result<Prepared, Vec<String>> {
    let new = wiring::configuration(args).map_err(Failure::lines)?;
    let (config, needs_restart) = in_force.reloaded(new);
    let open = config.open_addresses();
    if !open.is_empty() {
        return Err(open);
    }
    let known = Known::load(&config.http, clock)?;
    let windows = wiring::windows(&config).map_err(Failure::lines)?;
    let paths = wiring::rule_paths(&config, args).map_err(Failure::lines)?;
    Ok(Prepared { config, needs_restart, known, windows, paths })
}

/// Reloads the rules when a rule file changes, until `cancel`.
pub(crate) async fn watch(reloader: Arc<Reloader>, cancel: CancellationToken) {
    let (mut paths, mut is_later) = (reloader.paths.subscribe(), false);
    loop {
        let changed = Arc::<Changes>::default();
        let files = paths.borrow_and_update().files.clone();
        let Some(_watcher) = watcher(files, Arc::clone(&changed)) else { return };
        if is_later {
            // What changed before it watched.
            changed.told.notify_one();
        }
        is_later = true;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                // Other files are watched from here on.
                replaced = paths.changed() => match replaced {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = changed.told.notified() => {}
            }
            changed.settle().await;
            match reloader.reload_rules().await {
                Ok(rules) => tracing::info!(rules, "rules reloaded"),
                Err(why) => why.log(),
            }
        }
    }
}

/// What has changed since rules were read.
#[derive(Debug, Default)]
struct Changes {
    told: Notify,
    /// Files that are being written.
    open: parking_lot::Mutex<HashSet<PathBuf>>,
}

impl Changes {
    /// Takes note of an event. Reading a file is one too, and a folder holds other files, perhaps the very log that tells of a reload.
    fn note(&self, event: &notify::Event, watched: &[PathBuf]) {
        let is_closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        if event.kind.is_access() && !is_closed {
            return;
        }
        for path in event.paths.iter().filter(|path| concerns(watched, path)) {
            if is_being_written(event.kind, path) {
                self.open.lock().insert(path.clone());
            } else if !matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_))) {
                self.open.lock().remove(path);
            }
            self.told.notify_one();
        }
    }

    /// Waits until nothing changes any more, and no file is being written.
    async fn settle(&self) {
        let wait = || if self.open.lock().is_empty() { SETTLE } else { CLOSED_WITHIN };
        while tokio::time::timeout(wait(), self.told.notified()).await.is_ok() {}
        self.open.lock().clear();
    }
}

/// Whether an event begins what the file's closing ends. Only Linux tells of that.
fn is_being_written(kind: EventKind, path: &Path) -> bool {
    let begins = matches!(kind, EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)));
    cfg!(target_os = "linux") && begins && path.symlink_metadata().is_ok_and(|file| file.is_file())
}

/// Tells `changed` when one of these files and folders changes.
fn watcher(files: Vec<PathBuf>, changed: Arc<Changes>) -> Option<RecommendedWatcher> {
    let watched = files.clone();
    let told = move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event {
            changed.note(&event, &watched);
        }
    };
    let mut watcher = match notify::recommended_watcher(told) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "rule files can't be watched; use SIGHUP or POST /api/v1/reload");
            return None;
        }
    };
    for path in &files {
        // An editor replaces a file by a new one, so its folder is watched, not the file.
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(path) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mode = if path.is_dir() { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        if let Err(error) = watcher.watch(folder, mode) {
            tracing::warn!(%error, folder = %folder.display(), "this folder can't be watched; use SIGHUP or POST /api/v1/reload");
        }
    }
    Some(watcher)
}

/// Whether a changed path is a rule file of these files and folders, or a folder in which one may stand.
fn concerns(rules: &[PathBuf], changed: &Path) -> bool {
    let yaml = changed.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    rules
        .iter()
        .filter_map(|rule| std::path::absolute(rule).ok())
        .any(|rule| changed == rule || (rule.is_dir() && changed.starts_with(&rule) && (yaml || changed.is_dir())))
}
