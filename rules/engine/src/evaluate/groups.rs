//! The groups that a rule's query makes of its table, so that one whose series went silent is noticed though no row tells of it.
//!
//! From `SELECT host, avg(value) AS load FROM m WHERE time > … AND env = 'prod' GROUP BY host HAVING avg(value) > 3` this makes
//! `SELECT host, max(time) FROM latest(m, …) WHERE env = 'prod' GROUP BY 1`: whatever says who, and nothing that says how much or when.
//! It is done for one SELECT over one metric of numbers, plain or by a range function; of any other query the groups are inseparable, and
//! only the silence of whole tables is seen.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, Select, SelectItem, SetExpr, Statement, TableFactor,
    Visit, Visitor,
};
use flyball_model::event::Identity;
use flyball_model::{Shape, UnixNanos};

use super::rows::{ColumnKind, INSTANCES_MAX, rows};
use super::{EVALUATION_LIMITS, RuleEvaluator};
use crate::catalog::TableRead;
use crate::definition::Rule;
use crate::functions::RANGE_FUNCTIONS;
use crate::lifecycle::{GROUPS_LOOK_BACK, GroupsSeen};
use crate::query::text::SqlText;
use crate::query::{Database, Outline, Prepared, QueryLimits};

/// What a look at the groups found.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupsLook {
    /// It failed this time.
    Failed,
    /// The query is not one whose groups can be told apart.
    Inseparable,
    /// Each group with its newest point.
    Found(Vec<(Identity, UnixNanos)>),
}

impl GroupsLook {
    /// For the state machine.
    pub fn seen(&self) -> GroupsSeen<'_> {
        match self {
            Self::Failed => GroupsSeen::NotLooked,
            Self::Inseparable => GroupsSeen::Inseparable,
            Self::Found(found) => GroupsSeen::Found(found),
        }
    }
}

/// The query for the groups between two looks.
#[derive(Debug)]
pub(super) struct GroupQuery {
    /// How far it looks back, once the first look went as far as looks go.
    back: Duration,
    prepared: Option<Prepared>,
}

impl GroupQuery {
    pub(super) fn new(rule: &Rule) -> Self {
        // A look is missed now and then: twice as far as matters, and then some.
        let after = rule.no_data.map_or(Duration::ZERO, |no_data| no_data.after);
        Self { back: (after * 2 + Duration::from_secs(30)).min(GROUPS_LOOK_BACK), prepared: None }
    }
}

impl RuleEvaluator {
    /// Looks at the groups of the query, as of `now`. The first look goes back as far as [`GROUPS_LOOK_BACK`].
    ///
    /// # Cancel safety
    /// As [`RuleEvaluator::evaluate`].
    pub async fn groups(&mut self, database: &Database, now: UnixNanos) -> GroupsLook {
        let Ok(plan) = &self.plan else { return GroupsLook::Failed };
        let known = self.groups.prepared.take().filter(|prepared| prepared.is_current(database));
        let (prepared, is_first) = match known {
            Some(prepared) => (prepared, false),
            None => {
                let Some(query) = derive(self.sql.as_str(), plan.outline(), database) else {
                    return GroupsLook::Inseparable;
                };
                let text = |back: Duration| query.replace(BACK, &back.as_secs().max(1).to_string());
                let (Ok(first), Ok(next)) =
                    (database.prepare(&text(GROUPS_LOOK_BACK)).await, database.prepare(&text(self.groups.back)).await)
                else {
                    return GroupsLook::Inseparable;
                };
                self.groups.prepared = Some(next);
                (first, true)
            }
        };
        let limits = QueryLimits { rows: INSTANCES_MAX, ..EVALUATION_LIMITS };
        let found = match database.run(&prepared, now, &limits).await {
            Ok(result) => rows(&result.schema, &result.batches).ok(),
            Err(_) => None,
        };
        if !is_first {
            self.groups.prepared = Some(prepared);
        }
        match found {
            Some(rows) => {
                GroupsLook::Found(rows.into_iter().filter_map(|row| Some((row.identity, row.time?))).collect())
            }
            None => GroupsLook::Failed,
        }
    }
}

/// Stands for the seconds to look back.
const BACK: &str = "{back}";

/// The text of the query for the groups, if there can be one.
fn derive(sql: &str, plan: &Outline, database: &Database) -> Option<String> {
    let [TableRead::Metric(metric)] = plan.tables() else { return None };
    if database.store().registry().read().shape(*metric) != Shape::Numbers {
        return None;
    }
    let Statement::Query(query) = SqlText::new(sql).and_then(|text| text.parse()).ok()? else { return None };
    let (None, SetExpr::Select(select)) = (&query.with, query.body.as_ref()) else { return None };
    let (table, alias) = table_of(select)?;
    let fields = plan.output_schema().fields();
    if fields.len() != select.projection.len() {
        return None;
    }
    let mut text = "SELECT ".to_owned();
    let mut keys = 0;
    for (item, field) in select.projection.iter().zip(fields) {
        match ColumnKind::of_column(field.name(), field.data_type()) {
            ColumnKind::Identity => {}
            ColumnKind::IdentityMap | ColumnKind::Unsupported => return None,
            ColumnKind::Value | ColumnKind::Severity | ColumnKind::Ignored => continue,
        }
        let expr = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
            _ => return None,
        };
        if !is_about_labels(expr) {
            return None;
        }
        keys += 1;
        write!(text, "{expr} AS {}, ", Ident::with_quote('"', field.name())).ok()?;
    }
    write!(text, "max({alias}.time) AS time FROM latest({table}, INTERVAL '{BACK} seconds') AS {alias}").ok()?;
    let mut conditions = Vec::new();
    select.selection.iter().for_each(|selection| split(selection, &mut conditions));
    conditions.retain(|condition| is_about_labels(condition));
    for (index, condition) in conditions.iter().enumerate() {
        write!(text, " {} ({condition})", if index == 0 { "WHERE" } else { "AND" }).ok()?;
    }
    if keys > 0 {
        let places: Vec<String> = (1..=keys).map(|place: usize| place.to_string()).collect();
        write!(text, " GROUP BY {}", places.join(", ")).ok()?;
    }
    Some(text)
}

/// The one metric that is selected from, and the name that its columns go by.
fn table_of(select: &Select) -> Option<(String, String)> {
    let [from] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias, args, .. } = &from.relation else { return None };
    if !from.joins.is_empty() {
        return None;
    }
    let table = match args {
        None => name.to_string(),
        Some(args) => {
            let function = name.to_string().to_lowercase();
            let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(metric))) = args.args.first() else { return None };
            if !RANGE_FUNCTIONS.contains(&function.as_str()) {
                return None;
            }
            metric.to_string()
        }
    };
    let alias = match alias {
        Some(alias) if alias.columns.is_empty() => alias.name.to_string(),
        Some(_) => return None,
        None => name.0.last()?.to_string(),
    };
    Some((table, alias))
}

/// What is connected by AND.
fn split<'a>(expr: &'a Expr, into: &mut Vec<&'a Expr>) {
    // From the right, without recursion: a text may hold thousands of conditions.
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => open.extend([right.as_ref(), left.as_ref()]),
            other => into.push(other),
        }
    }
}

/// Whether an expression asks for nothing that differs between the samples of a series.
fn is_about_labels(expr: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_query(&mut self, _: &datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let name = match expr {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            let of_a_sample = |name: &&Ident| ["time", "value"].iter().any(|of| name.value.eq_ignore_ascii_case(of));
            match name.filter(of_a_sample) {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Names).is_continue()
}

#[cfg(test)]
mod tests {
    use flyball_model::event::identity_text;

    use super::super::testing::{Estate, NOW};
    use super::*;
    use crate::definition::from_str;

    async fn look(estate: &Estate, sql: &str) -> String {
        let text = format!("groups:\n- name: g\n  rules:\n  - rule: R\n    no_data: fire\n    sql: {sql:?}\n");
        let rule = from_str("f", &text).expect("a good rule").groups.remove(0).rules.remove(0);
        let mut evaluator = RuleEvaluator::new(&rule);
        evaluator.look(&estate.database, NOW).await;
        match evaluator.groups(&estate.database, NOW).await {
            GroupsLook::Found(found) => {
                let age = |at: &UnixNanos| NOW.since(*at).as_secs();
                let mut found: Vec<_> =
                    found.iter().map(|(group, at)| format!("{}:{}", identity_text(group), age(at))).collect();
                found.sort();
                found.join(" ")
            }
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn groups_are_those_of_the_query_whatever_it_says_of_values_and_times() {
        let estate = Estate::new();
        let ago = |secs: u64| NOW.minus(Duration::from_secs(secs));
        for (host, env, at) in
            [("a", "prod", 5), ("a", "prod", 700), ("b", "prod", 600), ("c", "test", 1), ("d", "prod", 4000)]
        {
            estate.point("load", &[("env", env), ("host", host)], ago(at), 1.0);
        }
        for (sql, expected) in [
            (
                "SELECT host, avg(value) AS load FROM load WHERE time > now() - INTERVAL '1 minute' AND env = 'prod' GROUP BY host HAVING avg(value) > 3",
                "host=a:5 host=b:600",
            ),
            (
                "SELECT upper(l.host) AS h, l.value FROM Load l WHERE value > 7 AND (l.env = 'prod' OR l.host = 'c')",
                "h=A:5 h=B:600 h=C:1",
            ),
            (
                "SELECT host, value FROM rate(load, INTERVAL '5 minutes') WHERE value > 3",
                "host=a:5 host=b:600 host=c:1",
            ),
            (
                "SELECT avg(value) AS load FROM load WHERE time > now() - INTERVAL '1 minute' HAVING avg(value) > 3",
                ":1",
            ),
            ("SELECT host, 'critical' AS severity, value FROM load WHERE env = 'test' AND value > 3", "host=c:1"),
            ("SELECT CASE WHEN value > 1 THEN 'high' ELSE 'low' END AS level, value FROM load", "Inseparable"),
            ("SELECT * FROM load", "Inseparable"),
            ("SELECT max(host) AS host, avg(value) AS load FROM load", "Inseparable"),
            ("SELECT l.host, l.value FROM load l JOIN load r ON l.host = r.host", "Inseparable"),
            ("SELECT 'x' AS host, 1 AS load", "Inseparable"),
        ] {
            assert_eq!(look(&estate, sql).await, expected, "{sql}");
        }
    }
}
