//! Operators with a vector on a side: arithmetic and comparisons with scalars, joins of two vectors, `and`, `or`, `unless`.

use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};

use super::aggregate::unique;
use super::compare::Comparison;
use super::scalar::{arithmetic, is_scalar, scalar};
use super::text::{Number, column};
use super::vector::{Demand, Labels, Tables, Vector, named};
use super::{Refused, refuse, vector};

/// Which labels two elements must have in common.
#[derive(Debug, Clone)]
enum Matching {
    On(Vec<String>),
    /// All but these.
    Ignoring(Vec<String>),
}

impl Matching {
    fn of(modifier: Option<&BinModifier>) -> Self {
        match modifier.and_then(|modifier| modifier.matching.as_ref()) {
            Some(LabelModifier::Include(labels)) => Self::On(unique(&labels.labels)),
            Some(LabelModifier::Exclude(labels)) => Self::Ignoring(unique(&labels.labels)),
            None => Self::Ignoring(Vec::new()),
        }
    }

    /// The labels that a side must come with, beside `more`.
    fn demand(&self, more: &Demand) -> Demand {
        match self {
            Self::On(names) => more.and(names),
            Self::Ignoring(_) => Demand::All,
        }
    }

    /// The condition of the join.
    fn condition(&self, left: &Labels, right: &Labels) -> String {
        let same = |names: &[String]| {
            let conditions: Vec<String> = names
                .iter()
                .filter_map(|name| match (left.get(name), right.get(name)) {
                    (Some(left), Some(right)) => Some(format!("({left} IS NOT DISTINCT FROM {right})")),
                    (Some(only), None) | (None, Some(only)) => Some(format!("{only} IS NULL")),
                    (None, None) => None,
                })
                .collect();
            if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
        };
        match (self, left, right) {
            (Self::On(names), ..) => same(names),
            (Self::Ignoring(ignored), Labels::Columns(left), Labels::Columns(right)) => {
                let names: Vec<_> = left.iter().chain(right).map(|column| column.0.clone()).collect();
                let names: Vec<_> = unique(&names).into_iter().filter(|name| !ignored.contains(name)).collect();
                same(&names)
            }
            (Self::Ignoring(ignored), ..) => {
                format!("{} = {}", left.without(ignored).set(), right.without(ignored).set())
            }
        }
    }
}

/// The rows that an operator gives.
pub(super) fn binary(binary: &BinaryExpr, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let modifier = binary.modifier.as_ref();
    if modifier.is_some_and(|modifier| modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()) {
        return refuse("'fill'");
    }
    match binary.op.id() {
        T_LAND | T_LUNLESS => return filtered(binary, demand, tables),
        T_LOR => return either(binary, tables),
        _ => {}
    }
    let operator = Operator::of(binary)?;
    let (left_is_scalar, right_is_scalar) = (is_scalar(&binary.lhs), is_scalar(&binary.rhs));
    if left_is_scalar || right_is_scalar {
        let (of, number) = if left_is_scalar { (&binary.rhs, &binary.lhs) } else { (&binary.lhs, &binary.rhs) };
        let number = scalar(number)?;
        let mut vector = vector(of, demand, tables)?;
        let (value, nan) = (vector.value.clone(), vector.nan);
        let number_nan = number.constant.is_some_and(f64::is_nan);
        let (left, right) = if left_is_scalar {
            ((&number, number_nan), (&value, nan))
        } else {
            ((&value, nan), (&number, number_nan))
        };
        operator.apply(&mut vector, left, right);
        return Ok(vector);
    }
    joined(binary, &operator, demand, tables)
}

/// What is done with two values.
enum Operator {
    Arithmetic(super::text::Arithmetic),
    Filter(Comparison),
    Truth(Comparison),
}

impl Operator {
    fn of(binary: &BinaryExpr) -> Result<Self, Refused> {
        if let Some(op) = arithmetic(binary.op) {
            return Ok(Self::Arithmetic(op));
        }
        let truth = binary.modifier.as_ref().is_some_and(|modifier| modifier.return_bool);
        match Comparison::of(binary.op) {
            Some(comparison) if truth => Ok(Self::Truth(comparison)),
            Some(comparison) => Ok(Self::Filter(comparison)),
            None => refuse(format!("the operator '{}'", binary.op)),
        }
    }

    /// Changes or filters the value of a vector. Each side with whether it may be NaN.
    fn apply(&self, vector: &mut Vector, left: (&Number, bool), right: (&Number, bool)) {
        match self {
            Self::Arithmetic(op) => {
                vector.value = Number::arithmetic(*op, left.0, right.0);
                // Infinities differ by NaN, and zeros divide to it.
                vector.nan = true;
            }
            Self::Filter(comparison) => vector.keep(comparison.conditions(left.0, left.1, right.0, right.1)),
            Self::Truth(comparison) => {
                vector.value = comparison.as_number(left.0, left.1, right.0, right.1);
                (vector.nan, vector.null) = (false, false);
            }
        }
    }
}

/// Arithmetic and comparisons of two vectors.
fn joined(binary: &BinaryExpr, operator: &Operator, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let modifier = binary.modifier.as_ref();
    let matching = Matching::of(modifier);
    let card = modifier.map_or(&VectorMatchCardinality::OneToOne, |modifier| &modifier.card);
    // The left is the many, unless it says group_right; what the one gives beside its value.
    let (many_is_left, given) = match card {
        VectorMatchCardinality::OneToOne => (true, None),
        VectorMatchCardinality::ManyToOne(labels) => (true, Some(unique(&labels.labels))),
        VectorMatchCardinality::OneToMany(labels) => (false, Some(unique(&labels.labels))),
        VectorMatchCardinality::ManyToMany => return refuse("a match of many to many"),
    };
    let nothing = Demand::of(&[]);
    let demand_of_many = match &given {
        None => matching.demand(&nothing),
        Some(given) => matching.demand(&demand.but(given)),
    };
    let demand_of_one = matching.demand(&Demand::of(given.as_deref().unwrap_or_default()));
    let (demand_left, demand_right) =
        if many_is_left { (demand_of_many, demand_of_one) } else { (demand_of_one, demand_of_many) };
    let left = vector(&binary.lhs, &demand_left, tables)?;
    let (left_name, left) = tables.put(&left);
    let right = vector(&binary.rhs, &demand_right, tables)?;
    let (right_name, right) = tables.put(&right);
    let (many, one) = if many_is_left { (&left.labels, &right.labels) } else { (&right.labels, &left.labels) };
    let labels = match (&given, &matching) {
        (Some(given), _) => given.iter().fold(many.clone(), |labels, name| match one.get(name) {
            Some(text) => labels.with(name, &text),
            None => labels.without(std::slice::from_ref(name)),
        }),
        (None, Matching::On(names)) => {
            Labels::Columns(names.iter().filter_map(|name| Some((name.clone(), many.get(name)?))).collect())
        }
        (None, Matching::Ignoring(names)) => many.without(names),
    };
    let condition = matching.condition(&left.labels, &right.labels);
    let from = format!("{left_name} JOIN {right_name} ON {condition}");
    let mut vector = Vector::of(from, labels, left.value.clone(), left.tables + right.tables);
    vector.nan = left.nan;
    operator.apply(&mut vector, (&left.value, left.nan), (&right.value, right.nan));
    Ok(vector)
}

/// `and` and `unless`: elements of the left that have one on the right, or none.
fn filtered(binary: &BinaryExpr, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    let matching = Matching::of(binary.modifier.as_ref());
    let left = vector(&binary.lhs, &matching.demand(demand), tables)?;
    let (left_name, left) = tables.put(&left);
    let right = vector(&binary.rhs, &matching.demand(&Demand::of(&[])), tables)?;
    let (right_name, right) = tables.put(&right);
    let condition = matching.condition(&left.labels, &right.labels);
    let join = if binary.op.id() == T_LAND { "SEMI" } else { "ANTI" };
    let mut kept = left.clone();
    kept.from = format!("{left_name} LEFT {join} JOIN {right_name} ON {condition}");
    kept.tables += right.tables;
    Ok(kept)
}

/// `or`: the left, and what of the right has no element there.
fn either(binary: &BinaryExpr, tables: &mut Tables) -> Result<Vector, Refused> {
    let matching = Matching::of(binary.modifier.as_ref());
    let left = vector(&binary.lhs, &Demand::All, tables)?;
    let (left_name, left) = tables.put(&left);
    let right = vector(&binary.rhs, &Demand::All, tables)?;
    let (right_name, right) = tables.put(&right);
    let condition = matching.condition(&right.labels, &left.labels);
    let columns = match (&left.labels, &right.labels) {
        (Labels::Columns(left), Labels::Columns(right)) => {
            let names: Vec<_> = left.iter().chain(right).map(|column| column.0.clone()).collect();
            Some(unique(&names))
        }
        _ => None,
    };
    let select = |side: &Vector, from: String| {
        let mut texts = match &columns {
            None => vec![named(&side.labels.set(), "labels")],
            Some(names) => {
                let text = |name: &String| side.labels.get(name).unwrap_or_else(|| "CAST(NULL AS VARCHAR)".to_owned());
                names.iter().map(|name| named(&text(name), &column(name))).collect()
            }
        };
        texts.push(format!("{} AS value", side.value.text));
        format!("SELECT {} FROM {from}", texts.join(", "))
    };
    let text = format!(
        "(\n  {}\n  UNION ALL\n  {}\n)",
        select(&left, left_name.clone()),
        select(&right, format!("{right_name} LEFT ANTI JOIN {left_name} ON {condition}")),
    );
    let labels = match columns {
        None => Labels::Set("labels".to_owned()),
        Some(names) => Labels::Columns(names.into_iter().map(|name| (name.clone(), column(&name))).collect()),
    };
    let mut vector =
        Vector::of(format!("{text} AS either"), labels, Number::atom("value"), 2 * left.tables + right.tables);
    vector.nan = left.nan || right.nan;
    Ok(vector)
}
