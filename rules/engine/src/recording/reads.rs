//! The tables of metrics that a query's text names, before there is anything to plan it against.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, ObjectName, Query, TableFactor, Value, Visit, Visitor,
};
use flyball_model::name::metric_name;

use crate::functions::RANGE_FUNCTIONS;
use crate::query::text::SqlText;

/// The names after FROM and in range functions, each as [`key`] makes it. Nothing of a text that is no query: that is found elsewhere.
pub(super) fn reads(sql: &str) -> HashSet<String> {
    let mut found = Found::default();
    if let Ok(statement) = SqlText::new(sql).and_then(|text| text.parse()) {
        let _ = statement.visit(&mut found);
    }
    let Found { tables, ctes } = found;
    tables.into_iter().filter(|name| !ctes.contains(name)).map(|name| key(&name)).collect()
}

/// A name as it is compared: in Prometheus form, without regard to case, since SQL finds a table so too.
pub(super) fn key(name: &str) -> String {
    metric_name(name).to_lowercase()
}

#[derive(Default)]
struct Found {
    tables: Vec<String>,
    ctes: HashSet<String>,
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.ctes.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        match table {
            TableFactor::Table { name, args: None, .. } => self.tables.extend(metric_of(name)),
            TableFactor::Table { name, args: Some(args), .. } => self.range(name, &args.args),
            TableFactor::Function { name, args, .. } => self.range(name, args),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Found {
    fn range(&mut self, function: &ObjectName, args: &[FunctionArg]) {
        let known = plain(function).is_some_and(|name| RANGE_FUNCTIONS.contains(&name.to_lowercase().as_str()));
        if let (true, Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))) = (known, args.first()) {
            match arg {
                Expr::Identifier(name) => self.tables.push(name.value.clone()),
                Expr::CompoundIdentifier(parts) => {
                    self.tables.push(parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."));
                }
                Expr::Value(value) => {
                    if let Value::SingleQuotedString(name) = &value.value {
                        self.tables.push(name.clone());
                    }
                }
                _ => {}
            }
        }
    }
}

/// The metric that a name after FROM may mean: `name`, `public.name`, `flyball.public.name`.
fn metric_of(name: &ObjectName) -> Option<String> {
    let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.as_str()).collect();
    match parts.as_slice() {
        [name] => Some((*name).to_owned()),
        [schema, name] | [_, schema, name] if schema.eq_ignore_ascii_case("public") => Some((*name).to_owned()),
        _ => None,
    }
}

fn plain(name: &ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|part| part.value.as_str()),
        _ => None,
    }
}
