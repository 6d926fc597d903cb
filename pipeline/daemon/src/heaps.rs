//! How many heaps the system's allocator makes.
//!
//! glibc gives a new thread a heap of its own until there are eight for each core. What one thread frees stays in its heap, and threads that read
//! files come and go: so each heap comes to hold what the largest reading ever needed, one after the other for hours, and little of it is in use.
//! With one for each core as many threads can allocate at once as can run. benches/METHOD.md has what it brings and what it costs.

/// Has glibc make a heap for each core, and no more, unless the environment says how many. glibc asks the environment when a program begins: so this
/// one begins again, as the same process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn one_each_core() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const CHOSEN: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(CHOSEN).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let error = command.args(arguments).env(CHOSEN, cores.to_string()).exec();
    tracing::debug!(%error, "the allocator keeps as many heaps as it likes");
}

/// Other allocators have other ways.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn one_each_core() {}
