//! The accounts down the line: of the stores beside the embedded one, and of the backends.

use std::sync::Arc;
use std::time::Duration;

use flyball_log::Log;
use flyball_model::ledger::Ledger;
use flyball_model::ports::SinkStatus;
use flyball_remediation::BackendAccount;

use crate::runtime::Runtime;

/// How long a reader of the ledger waits for entries that are on their way: a sync, not a disk that hangs.
const CATCH_UP: Duration = Duration::from_millis(200);

/// The ledger as readers see it.
#[derive(Debug, Clone)]
pub enum Books {
    /// Where nothing is taken in.
    Blank(Arc<Ledger>),
    /// Those of a log.
    Kept(Arc<Log>),
}

impl Books {
    /// The ledger with the entry of every request that was answered before; waits for a sync where entries are on their way.
    pub async fn read(&self) -> &Ledger {
        self.catch_up().await;
        self.as_it_stands()
    }

    /// Waits until the entry of every request that was answered before is in the ledger.
    pub async fn catch_up(&self) {
        match self {
            Books::Blank(_) => {}
            Books::Kept(log) => log.catch_up(CATCH_UP).await,
        }
    }

    /// The ledger without those that are on their way.
    pub fn as_it_stands(&self) -> &Ledger {
        match self {
            Books::Blank(ledger) => ledger,
            Books::Kept(log) => log.ledger(),
        }
    }
}

impl Runtime {
    /// Every store's account, in the order of the configuration.
    pub fn store_accounts(&self) -> Vec<(String, SinkStatus)> {
        self.sinks.iter().map(|sink| (sink.name().to_owned(), sink.status())).collect()
    }

    /// Every backend's account, sorted by name; those that no event was addressed to yet are among them.
    pub fn backend_accounts(&self) -> Vec<BackendAccount> {
        let mut accounts = self.tables.remediations.accounts();
        for backend in &self.backends {
            if accounts.iter().all(|account| account.backend != backend.name()) {
                accounts.push(BackendAccount { backend: backend.name().to_owned(), ..BackendAccount::default() });
            }
        }
        accounts.sort_by(|a, b| a.backend.cmp(&b.backend));
        accounts
    }
}
