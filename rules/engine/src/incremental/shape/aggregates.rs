//! The aggregates of a rule: which of them can be kept, and as what.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr};

use super::super::accumulate::Function;
use super::super::inline::{Meaning, inline};
use super::super::obstacle::Obstacle;
use super::told::told;
use super::walk::refuse;
use super::{Kept, Shape, Subject, TIME};

/// What DataFusion computes of states that are of a bounded size and can be put together in any order.
const SKETCHED: [&str; 8] = [
    "approx_distinct",
    "approx_median",
    QUANTILE,
    "approx_percentile_cont_with_weight",
    "bool_and",
    "bool_or",
    OF_BUCKETS,
    "merge",
];

/// Its first argument says which quantile.
const OF_BUCKETS: &str = "histogram_quantile";

/// The same of states that are all values. Of a range function that is no more than a figure a series, and these are put together anew anyway.
const SKETCHED_OF_FIGURES: [&str; 2] = ["median", "percentile_cont"];

const QUANTILE: &str = "approx_percentile_cont";

/// Among its arguments, which quantile it is: the digest of values is the same for all.
const QUANTILE_AT: usize = 1;

impl Shape {
    pub(super) fn kept(
        &self,
        expr: &Expr,
        of: &Aggregate,
        rows: &Meaning,
        data_type: DataType,
    ) -> Result<Kept, Obstacle> {
        let inlined = |expr: Expr| inline(expr, of.input.schema(), rows);
        let Expr::AggregateFunction(mut aggregate) = inlined(expr.clone().unalias())? else {
            return Err(Obstacle::new(format!("\"{}\" is not an aggregate of one function", told(expr))));
        };
        let filter = match aggregate.params.filter.take() {
            Some(filter) => Some(self.filter(*filter)?),
            None => None,
        };
        if aggregate.params.distinct && aggregate.func.name() == "count" {
            let argument = Some(self.told(&aggregate)?);
            return Ok(Kept { function: Function::Distinct, argument, filter, data_type });
        }
        if !self.is_sketched(aggregate.func.name())
            && let Some(function) = number_of(&aggregate)?
            && (function == Function::Count || data_type.is_numeric())
        {
            let argument = self.argument(function, &aggregate)?;
            return Ok(Kept { function, argument, filter, data_type });
        }
        // The least and the greatest of what is no number are DataFusion's.
        let name = aggregate.func.name();
        if !self.is_sketched(name) && !matches!(name, "min" | "max") {
            return Err(cannot(name));
        }
        if aggregate.params.distinct {
            return Err(distinct());
        }
        let mut has_subject = false;
        for argument in &aggregate.params.args {
            refuse(argument)?;
            match self.subject(argument)? {
                Subject::Nothing => {}
                subject @ (Subject::LookedUp | Subject::All) => return Err(not_of_values(name, argument, subject)),
                Subject::Labels | Subject::Points | Subject::Both => has_subject = true,
            }
        }
        if !has_subject {
            return Err(Obstacle::new(format!("{name} is over no column")));
        }
        if name == OF_BUCKETS && !aggregate.params.args.first().is_some_and(is_share) {
            // Said for each look at a group, it would make the groups begin anew each time.
            return Err(Obstacle::new(format!("the quantile of {name} is not a number from 0 to 1")));
        }
        let argument = Some(Expr::AggregateFunction(aggregate));
        Ok(Kept { function: Function::Sketch, argument, filter, data_type })
    }

    fn is_sketched(&self, name: &str) -> bool {
        SKETCHED.contains(&name) || self.source.range.is_some() && SKETCHED_OF_FIGURES.contains(&name)
    }

    /// What an aggregate that is kept as numbers is over.
    fn argument(&self, function: Function, of: &AggregateFunction) -> Result<Option<Expr>, Obstacle> {
        let [argument] = of.params.args.as_slice() else { return Err(cannot(of.func.name())) };
        refuse(argument)?;
        match (argument, self.subject(argument)?) {
            (Expr::Literal(value, _), _) if function == Function::Count && !value.is_null() => Ok(None),
            (_, Subject::Points) => Ok(Some(argument.clone())),
            (_, subject) => Err(not_of_values(of.func.name(), argument, subject)),
        }
    }

    /// What a count of different values is over: values alone, or labels alone.
    fn told(&self, of: &AggregateFunction) -> Result<Expr, Obstacle> {
        let [argument] = of.params.args.as_slice() else { return Err(distinct()) };
        refuse(argument)?;
        match self.subject(argument)? {
            Subject::Points | Subject::Labels => Ok(argument.clone()),
            _ => Err(Obstacle::new(format!("count(DISTINCT {}) is about labels and values at once", told(argument)))),
        }
    }

    /// What says which rows an aggregate is over: conditions each of values alone or of labels alone.
    fn filter(&self, filter: Expr) -> Result<Expr, Obstacle> {
        refuse(&filter)?;
        for condition in split_conjunction(&filter) {
            match self.subject(condition)? {
                Subject::Points | Subject::Labels => {}
                Subject::LookedUp | Subject::All => {
                    return Err(Obstacle::new(format!("FILTER (WHERE {}) is about what is looked up", told(&filter))));
                }
                Subject::Nothing | Subject::Both => {
                    let obstacle = format!("\"{}\" in FILTER is about labels and values at once", told(condition));
                    return Err(Obstacle::new(obstacle));
                }
            }
        }
        Ok(filter)
    }
}

impl Kept {
    /// What tells the values that it is over from others. Quantiles of the same values are over the same.
    pub(in super::super) fn input(&self) -> String {
        let argument = self.argument.clone().map(|argument| match argument {
            Expr::AggregateFunction(mut aggregate) if aggregate.func.name() == QUANTILE => {
                aggregate.params.order_by.clear();
                aggregate.params.args.remove(QUANTILE_AT);
                Expr::AggregateFunction(aggregate)
            }
            other => other,
        });
        let how = match self.function {
            // What is counted so is told from others, and no number.
            Function::Distinct => "DISTINCT ",
            function if function.respects_nulls() => "WITH NULLS ",
            _ => "",
        };
        format!("{how}{argument:?} {:?}", self.filter)
    }
}

/// The function of an aggregate that is kept as numbers; `None` for one that is not.
fn number_of(aggregate: &AggregateFunction) -> Result<Option<Function>, Obstacle> {
    let (name, params) = (aggregate.func.name(), &aggregate.params);
    if params.distinct {
        return Err(distinct());
    }
    let by_time = match params.order_by.as_slice() {
        [] => false,
        [sort] if sort.asc && matches!(&sort.expr, Expr::Column(column) if column.name == TIME) => true,
        _ => return Err(Obstacle::new("an aggregate has an order other than by rising time")),
    };
    Ok(match (name, by_time) {
        ("count", _) => Some(Function::Count),
        ("sum", _) => Some(Function::Sum),
        ("avg", _) => Some(Function::Avg),
        ("min", _) => Some(Function::Min),
        ("max", _) => Some(Function::Max),
        ("stddev", _) => Some(Function::Variance { sample: true, root: true }),
        ("stddev_pop", _) => Some(Function::Variance { sample: false, root: true }),
        ("var", _) => Some(Function::Variance { sample: true, root: false }),
        ("var_pop", _) => Some(Function::Variance { sample: false, root: false }),
        ("first_value", true) if params.null_treatment.is_none() => Some(Function::First),
        ("last_value", true) if params.null_treatment.is_none() => Some(Function::Last),
        _ => None,
    })
}

/// Whether an expression is a number from 0 to 1.
fn is_share(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    matches!(value.cast_to(&DataType::Float64), Ok(ScalarValue::Float64(Some(q))) if (0.0..=1.0).contains(&q))
}

fn distinct() -> Obstacle {
    Obstacle::new("DISTINCT is kept incrementally in count(DISTINCT …) of one argument only")
}

fn not_of_values(name: &str, argument: &Expr, subject: Subject) -> Obstacle {
    let argument = told(argument);
    match subject {
        Subject::LookedUp | Subject::All => Obstacle::new(format!("{name}({argument}) is over what is looked up"))
            .hint("GROUP BY it, and compare with it in HAVING"),
        _ => Obstacle::new(format!("{name}({argument}) is not over values alone")),
    }
}

fn cannot(name: &str) -> Obstacle {
    if SKETCHED_OF_FIGURES.contains(&name) {
        let obstacle = Obstacle::new(format!("{name} of points is not kept incrementally"));
        return obstacle.hint("approx_median and approx_percentile_cont are, and so is it over a range function");
    }
    Obstacle::new(format!("{name} is not kept incrementally")).hint(
        "count, sum, avg, min, max, stddev, var, first_value and last_value by time, approx_percentile_cont, approx_median, \
         approx_distinct, count(DISTINCT …), histogram_quantile, merge, bool_and and bool_or are",
    )
}
