//! What people hold back, and who looks on.

use flyball_remediation::silence::SilenceState;

use super::Page;
use crate::runtime::Runtime;

pub(super) fn write(page: &mut Page, runtime: &Runtime) {
    let now = runtime.steady.read().now;
    let silences = runtime.tables.silences.all(now);
    page.family("flyball_silences", "gauge", "Silences and maintenance windows by state.");
    for state in [SilenceState::Active, SilenceState::Pending, SilenceState::Expired] {
        let count = silences.iter().filter(|silence| silence.state(now) == state).count();
        page.sample("flyball_silences", &[("state", state.as_str())], count as f64);
    }
    page.single(
        "flyball_violations_held",
        "gauge",
        "Violations whose latest state a silence keeps from backends.",
        runtime.tables.history.held().len() as f64,
    );
    page.single(
        "flyball_change_listeners",
        "gauge",
        "Listeners to changes of violations.",
        runtime.feed.listeners() as f64,
    );
}
