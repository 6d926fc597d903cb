//! Comparisons.
//!
//! SQL orders floats totally: NaN is the largest number (or, with a sign, as infinity times zero has it, the smallest) and equal to itself,
//! and minus zero is less than zero. PromQL compares as IEEE 754
//! says: whatever is compared with NaN is false (but for `!=`), and both zeros are one number. So conditions say what differs.

use promql_parser::parser::token::{T_EQLC, T_GTE, T_GTR, T_LSS, T_LTE, T_NEQ, TokenType};

use super::text::Number;

/// A comparing operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(super) fn of(op: TokenType) -> Option<Self> {
        Some(match op.id() {
            T_EQLC => Self::Equal,
            T_NEQ => Self::NotEqual,
            T_LSS => Self::Less,
            T_LTE => Self::LessOrEqual,
            T_GTR => Self::Greater,
            T_GTE => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            // NULL stands for NaN here and there, which differs from every number.
            Self::NotEqual => "IS DISTINCT FROM",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The operator with its operands swapped.
    const fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// The conditions that must hold together; `left_nan` and `right_nan` say which side may be NaN.
    pub(super) fn conditions(self, left: &Number, left_nan: bool, right: &Number, right_nan: bool) -> Vec<String> {
        if let (Some(_), None) = (left.constant, right.constant) {
            return self.turned().conditions(right, right_nan, left, left_nan);
        }
        let guards = [(left, left_nan), (right, right_nan)]
            .into_iter()
            .filter(|(number, nan)| *nan && number.constant.is_none_or(f64::is_nan))
            .map(|(number, _)| format!("NOT isnan({})", number.text));
        let (sign, zero) = (self.sign(), right.constant == Some(0.0));
        let (l, r) = match right.constant {
            Some(_) if zero && matches!(self, Self::Equal | Self::NotEqual) => {
                (format!("abs({})", left.text), "0".to_owned())
            }
            Some(_) if zero && matches!(self, Self::Less | Self::GreaterOrEqual) => {
                (left.text.clone(), "-0.0".to_owned())
            }
            Some(_) => (left.text.clone(), right.text.clone()),
            // Between two columns zeros are made one by adding zero.
            None => (format!("({} + 0.0)", left.text), format!("({} + 0.0)", right.text)),
        };
        match self {
            // NaN differs from NaN too.
            Self::NotEqual if left_nan && right_nan => vec![format!("(({l} {sign} {r}) OR isnan({}))", left.text)],
            // In brackets, for what stands behind would be read as a part of its right side.
            Self::NotEqual => vec![format!("({l} {sign} {r})")],
            // Equal to a number that is none is nothing, and one of two is enough to know.
            Self::Equal if right.constant.is_some_and(|constant| !constant.is_nan()) => vec![format!("{l} {sign} {r}")],
            _ => [format!("{l} {sign} {r}")].into_iter().chain(guards).collect(),
        }
    }

    /// 1 where it holds, 0 elsewhere: what `bool` asks for.
    pub(super) fn as_number(self, left: &Number, left_nan: bool, right: &Number, right_nan: bool) -> Number {
        let conditions = self.conditions(left, left_nan, right, right_nan).join(" AND ");
        Number::atom(format!("CASE WHEN {conditions} THEN 1.0 ELSE 0.0 END"))
    }
}
