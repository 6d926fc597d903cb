//! Looks again at what may change while flyball runs: certificates, tokens in files, an issuer's keys.

use std::sync::Arc;
use std::time::Duration;

use flyball_receivers::net::{Reloaded, Tls};
use tokio_util::sync::CancellationToken;

use super::{Access, oidc};

/// How often files are looked at: certificates are renewed days before they end, and a withdrawn token should go within seconds.
const FILES_EVERY: Duration = Duration::from_secs(5);

/// Goes on until `cancel`.
pub(crate) async fn refresh(access: Arc<Access>, tls: Vec<Arc<Tls>>, cancel: CancellationToken) {
    let files = async {
        loop {
            tokio::time::sleep(FILES_EVERY).await;
            let (access, tls) = (Arc::clone(&access), tls.clone());
            let looked = tokio::task::spawn_blocking(move || look(&access, &tls)).await;
            if let Err(error) = looked {
                tracing::error!(%error, "looking at certificates and tokens panicked");
            }
        }
    };
    let keys = async {
        loop {
            if let Some(issuer) = &access.known().issuer {
                issuer.refresh().await;
            }
            // It ends early when the issuer may be another one.
            let _ = tokio::time::timeout(oidc::REFRESH, access.replaced.notified()).await;
        }
    };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = files => {}
        () = keys => {}
    }
}

fn look(access: &Access, tls: &[Arc<Tls>]) {
    access.known().tokens.reload();
    for tls in tls {
        match tls.reload() {
            Reloaded::Same => {}
            Reloaded::New => tracing::info!("certificates were taken anew; open connections keep theirs"),
            Reloaded::Failed(error) => {
                tracing::error!(%error, "the new certificates can't be used; those from before stay");
            }
        }
    }
}
