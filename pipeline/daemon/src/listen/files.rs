//! How many connections the limit on open files allows.

use flyball_receivers::net::CONNECTIONS_MAX;

/// The limit that is asked for where the hard one allows it. Enough for three ports at their bounds.
const FILES_WANTED: u64 = 65_536;

/// Files that connections must leave to the history, the log, spools and requests of our own: without them nothing is stored.
const FILES_RESERVED: u64 = 1024;

const _: () = assert!(3 * CONNECTIONS_MAX as u64 + FILES_RESERVED <= FILES_WANTED);

/// Raises the soft limit on open files, which is 1,024 on many systems, and tells how many connections all ports together may have.
pub(crate) fn connections_max() -> usize {
    let limit = rlimit::increase_nofile_limit(FILES_WANTED).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit on open files can't be raised");
        FILES_RESERVED
    });
    let max = for_connections(limit);
    if max < CONNECTIONS_MAX {
        tracing::warn!(
            files = limit,
            connections = max,
            "few files may be open, so few connections are taken; raise the limit (ulimit -Hn, LimitNOFILE=) to {FILES_WANTED}"
        );
    }
    max
}

/// What a limit leaves for connections; half of a small one.
fn for_connections(limit: u64) -> usize {
    let left = limit.saturating_sub(FILES_RESERVED).max(limit / 2).max(1);
    usize::try_from(left).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (limit, connections) in [(FILES_WANTED, 64_512), (20_000, 18_976), (1536, 768), (1024, 512), (0, 1)] {
            assert_eq!(for_connections(limit), connections, "{limit}");
        }
    }
}
