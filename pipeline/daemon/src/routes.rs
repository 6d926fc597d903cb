//! What receivers serve on the main port.

use std::sync::Arc;

use axum::Router;
use flyball_model::{Clock, Intake};
use flyball_receivers::{influx, otlp_http, pushgateway, remote_write, scaphandre};

use crate::config::Receivers;

/// The paths of every receiver that is switched on. Each needs its row in `access/table.rs`.
pub(crate) fn receivers(config: &Receivers, intake: &Arc<dyn Intake>, clock: &Arc<dyn Clock>) -> Router {
    let both = || (Arc::clone(intake), Arc::clone(clock));
    let mut router = otlp(intake, clock);
    if config.remote_write {
        let (intake, clock) = both();
        router = router.merge(remote_write::router(intake, clock));
    }
    if config.influx {
        let (intake, clock) = both();
        router = router.merge(influx::router(intake, clock));
    }
    if config.pushgateway {
        let (intake, clock) = both();
        router = router.merge(pushgateway::router(intake, clock));
    }
    let (intake, clock) = both();
    router.merge(scaphandre::router(intake, clock))
}

/// OTLP over HTTP, which has a port of its own too.
pub(crate) fn otlp(intake: &Arc<dyn Intake>, clock: &Arc<dyn Clock>) -> Router {
    otlp_http::router(Arc::clone(intake), Arc::clone(clock))
}
