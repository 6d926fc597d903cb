//! What `flyball rules explain` tells of a rule.

use serde::Serialize;

use super::obstacle::Obstacle;
use super::way::Way;
use crate::definition::Text;
use crate::query::{Database, QueryError};

/// The way of a rule, why, what it shares and what that costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// `incremental` or `plan`.
    pub mode: &'static str,
    /// Why it is a plan.
    pub reason: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
    /// How far it looks back, seconds.
    pub window_s: Option<f64>,
    /// In what steps the far edge of the window moves, seconds.
    pub step_s: Option<f64>,
    /// The tables of the twin whose changes it follows too.
    pub joins: Vec<String>,
    /// What holds its groups, where they are kept already.
    pub groups: Option<Groups>,
    /// The optimized plan.
    pub plan: String,
}

/// The groups that a rule looks at, together with rules like it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Groups {
    /// Other rules that look at them.
    pub shared_with: usize,
    /// Series that go into them.
    pub series: usize,
    /// How many there are.
    pub groups: usize,
    /// Memory of all, near enough.
    pub bytes: usize,
    /// Seconds of a core for a million points; `None` before the first point.
    pub cpu_s_per_million_points: Option<f64>,
}

/// Says how a rule with this query would be evaluated by a database.
///
/// # Errors
/// What planning finds.
pub async fn explain(database: &Database, sql: &Text) -> Result<Explanation, QueryError> {
    let prepared = database.prepare(sql.as_str()).await?;
    let plan = prepared.text();
    let nothing = Explanation {
        mode: "plan",
        reason: None,
        hint: None,
        window_s: None,
        step_s: None,
        joins: Vec::new(),
        groups: None,
        plan,
    };
    let place = match database.keep(&prepared) {
        Ok(place) => place,
        Err(Obstacle { reason, hint }) => return Ok(Explanation { reason: Some(reason), hint, ..nothing }),
    };
    let way = place.way();
    let Way::Incremental { window, step, joins, .. } = &way else { return Ok(nothing) };
    // Only the place that was taken for this looks at groups that are not kept yet.
    let groups = way.size().filter(|size| size.rules > 1).map(|size| Groups {
        shared_with: size.rules - 1,
        series: size.series,
        groups: size.groups,
        bytes: size.bytes,
        cpu_s_per_million_points: (size.points > 0).then(|| size.spent.as_secs_f64() * 1e6 / size.points as f64),
    });
    let (window_s, step_s) = (Some(window.as_secs_f64()), Some(step.as_secs_f64()));
    let joins = joins.clone();
    Ok(Explanation { mode: way.as_str(), window_s, step_s, joins, groups, ..nothing })
}
