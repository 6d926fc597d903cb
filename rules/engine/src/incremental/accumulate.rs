//! What is kept of the points of a pane: a few numbers for each aggregate, which can be put together with those of other panes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::cast::{as_boolean_array, as_float64_array};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::batch::is_stale;

use super::line;

/// An aggregate that can be kept. Numbers that are no numbers (NaN) are passed over by `Min` and `Max` as long as there is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    /// Of values that are not null.
    Count,
    Sum,
    /// Sum divided by count.
    Avg,
    Min,
    Max,
    /// By Welford's recurrence, put together as Chan, Golub and LeVeque do; the square root of it if `root`, of a sample if `sample`.
    Variance {
        sample: bool,
        root: bool,
    },
    /// The value with the least time.
    First,
    /// The value with the greatest time.
    Last,
    /// The slope per second of the straight line through the values, by least squares.
    Line,
}

/// What a column of values is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistic {
    Sum,
    Moments,
    Min,
    Max,
    First,
    Last,
    /// An instant, the mean of the seconds since then, the mean of the values; sums of the squares of the first and of the products of both,
    /// around the means.
    Line,
}

impl Statistic {
    /// The numbers that it takes.
    const fn words(self) -> usize {
        match self {
            Statistic::Sum | Statistic::Min | Statistic::Max => 1,
            Statistic::Moments | Statistic::First | Statistic::Last => 2,
            Statistic::Line => 5,
        }
    }
}

impl Function {
    fn statistic(self) -> Option<Statistic> {
        match self {
            Function::Count => None,
            Function::Sum | Function::Avg => Some(Statistic::Sum),
            Function::Min => Some(Statistic::Min),
            Function::Max => Some(Statistic::Max),
            Function::Variance { .. } => Some(Statistic::Moments),
            Function::First => Some(Statistic::First),
            Function::Last => Some(Statistic::Last),
            Function::Line => Some(Statistic::Line),
        }
    }
}

/// The values that an aggregate is over.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    /// What tells it from others.
    pub(super) text: String,
    pub(super) kind: ArgumentKind,
    /// Only rows for which this is true.
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

#[derive(Debug, Clone)]
pub(super) enum ArgumentKind {
    /// Every row counts: `count(*)`.
    Rows,
    /// The column `value`.
    Value,
    /// An expression over the columns of points or records.
    Expression(Arc<dyn PhysicalExpr>),
}

/// An argument, and where its statistics stand among the numbers of a pane.
#[derive(Debug)]
struct Input {
    argument: Argument,
    /// Of its count; the statistics stand behind.
    at: usize,
    statistics: Vec<(Statistic, usize)>,
}

/// Where an aggregate's result comes from.
#[derive(Debug, Clone)]
struct Output {
    function: Function,
    count_at: usize,
    at: usize,
    data_type: DataType,
}

/// How the numbers of a pane are laid out.
#[derive(Debug)]
pub(super) struct Layout {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    words: usize,
}

impl Layout {
    /// Room for these aggregates; those over the same argument share what they can.
    pub(super) fn new(aggregates: Vec<(Function, Argument, DataType)>) -> Self {
        let (mut inputs, mut words): (Vec<Input>, usize) = (Vec::new(), 0);
        for (_, argument, _) in &aggregates {
            if !inputs.iter().any(|input| input.argument.text == argument.text) {
                let wanted = aggregates.iter().filter(|other| other.1.text == argument.text);
                let at = words;
                words += 1;
                let mut statistics = Vec::new();
                for statistic in wanted.filter_map(|(function, ..)| function.statistic()) {
                    if !statistics.iter().any(|&(known, _)| known == statistic) {
                        statistics.push((statistic, words));
                        words += statistic.words();
                    }
                }
                inputs.push(Input { argument: argument.clone(), at, statistics });
            }
        }
        let outputs = aggregates.into_iter().map(|(function, argument, data_type)| {
            let input = inputs.iter().find(|input| input.argument.text == argument.text).expect("made above");
            let place = function.statistic().and_then(|wanted| input.statistics.iter().find(|known| known.0 == wanted));
            Output { function, count_at: input.at, at: place.map_or(input.at, |known| known.1), data_type }
        });
        Self { outputs: outputs.collect(), inputs, words }
    }

    /// Room for one aggregate of the column `value`.
    pub(super) fn of_value(function: Function) -> Self {
        let argument = Argument { text: String::new(), kind: ArgumentKind::Value, filter: None };
        Self::new(vec![(function, argument, DataType::Float64)])
    }

    /// The result of the first aggregate; `None` when it has none.
    pub(super) fn first_result(&self, words: &[f64]) -> Option<f64> {
        self.outputs.first()?.result(words)
    }

    /// The value at an instant of the straight line that the first aggregate is; `None` when it has none.
    pub(super) fn first_line_at(&self, words: &[f64], instant: i64) -> Option<f64> {
        let output = self.outputs.first()?;
        line::value_at(&words[output.at..], words[output.count_at], instant)
    }

    /// The numbers of a pane.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// The values of each argument for points or records.
    pub(super) fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<Values>> {
        self.inputs.iter().map(|input| input.argument.evaluate(batch)).collect()
    }

    /// Whether [`Layout::evaluate`] looks at the batch at all.
    pub(super) fn needs_batch(&self) -> bool {
        self.inputs.iter().any(|Input { argument, .. }| {
            argument.filter.is_some() || matches!(argument.kind, ArgumentKind::Expression(_))
        })
    }

    /// The same as [`Layout::evaluate`] where no batch is needed.
    pub(super) fn plain(&self) -> Vec<Values> {
        self.inputs.iter().map(|input| input.argument.plain()).collect()
    }

    /// Adds a point to a pane.
    #[inline]
    pub(super) fn add(&self, pane: &mut [f64], values: &[Values], row: usize, time: i64, value: f64) {
        for (input, values) in self.inputs.iter().zip(values) {
            let Some(value) = values.at(row, value) else { continue };
            let count = pane[input.at];
            for &(statistic, at) in &input.statistics {
                match statistic {
                    Statistic::Sum => pane[at] += value,
                    Statistic::Min => pane[at] = if count == 0.0 { value } else { pane[at].min(value) },
                    Statistic::Max => pane[at] = if count == 0.0 { value } else { pane[at].max(value) },
                    Statistic::Moments => {
                        let away = value - pane[at];
                        pane[at] += away / (count + 1.0);
                        pane[at + 1] += away * (value - pane[at]);
                    }
                    Statistic::First => {
                        if count == 0.0 || time < time_of(pane[at]) {
                            (pane[at], pane[at + 1]) = (word_of(time), value);
                        }
                    }
                    Statistic::Last => {
                        if count == 0.0 || time >= time_of(pane[at]) {
                            (pane[at], pane[at + 1]) = (word_of(time), value);
                        }
                    }
                    Statistic::Line => line::add(&mut pane[at..at + 5], count, time, value),
                }
            }
            pane[input.at] = count + 1.0;
        }
    }

    /// Puts what a pane holds to what is there.
    pub(super) fn merge(&self, into: &mut [f64], pane: &[f64]) {
        for input in &self.inputs {
            let (before, more) = (into[input.at], pane[input.at]);
            if more == 0.0 {
                continue;
            }
            for &(statistic, at) in &input.statistics {
                match statistic {
                    Statistic::Sum => into[at] += pane[at],
                    Statistic::Min => into[at] = if before == 0.0 { pane[at] } else { into[at].min(pane[at]) },
                    Statistic::Max => into[at] = if before == 0.0 { pane[at] } else { into[at].max(pane[at]) },
                    Statistic::Moments => {
                        let (count, away) = (before + more, pane[at] - into[at]);
                        into[at] += away * more / count;
                        into[at + 1] += pane[at + 1] + away * away * before * more / count;
                    }
                    Statistic::First => {
                        if before == 0.0 || time_of(pane[at]) < time_of(into[at]) {
                            (into[at], into[at + 1]) = (pane[at], pane[at + 1]);
                        }
                    }
                    Statistic::Last => {
                        if before == 0.0 || time_of(pane[at]) >= time_of(into[at]) {
                            (into[at], into[at + 1]) = (pane[at], pane[at + 1]);
                        }
                    }
                    Statistic::Line => line::merge(&mut into[at..at + 5], before, &pane[at..at + 5], more),
                }
            }
            into[input.at] = before + more;
        }
    }

    /// The results of an aggregate for some groups, where it has any; `groups` are their numbers, one after the other.
    pub(super) fn results(&self, aggregate: usize, groups: &[f64]) -> impl Iterator<Item = f64> {
        let output = &self.outputs[aggregate];
        groups.chunks_exact(self.words).filter_map(|words| output.result(words))
    }

    /// The columns of the aggregates for some groups; `groups` are their numbers, one after the other.
    pub(super) fn columns(&self, groups: &[f64]) -> Result<Vec<ArrayRef>> {
        let column = |output: &Output| {
            let values: Float64Array = groups.chunks_exact(self.words).map(|words| output.result(words)).collect();
            Ok(cast(&values, &output.data_type)?)
        };
        self.outputs.iter().map(column).collect()
    }
}

impl Output {
    fn result(&self, words: &[f64]) -> Option<f64> {
        let (count, at) = (words[self.count_at], self.at);
        match self.function {
            Function::Count => Some(count),
            _ if count == 0.0 => None,
            Function::Sum | Function::Min | Function::Max => Some(words[at]),
            Function::Avg => Some(words[at] / count),
            Function::First | Function::Last => Some(words[at + 1]),
            Function::Line => line::slope(&words[at..at + 5], count),
            Function::Variance { sample: true, .. } if count < 2.0 => None,
            Function::Variance { sample, root } => {
                let variance = words[at + 1] / if sample { count - 1.0 } else { count };
                Some(if root { variance.sqrt() } else { variance })
            }
        }
    }
}

/// Values as numbers. Of what is no number, a text, it can be counted alone how many are not null.
fn numbers(values: &ArrayRef) -> Result<Float64Array> {
    if values.data_type().is_numeric() {
        return Ok(as_float64_array(&cast(values, &DataType::Float64)?)?.clone());
    }
    Ok(Float64Array::new(vec![0.0; values.len()].into(), values.logical_nulls()))
}

/// A time among numbers, by its bits.
pub(super) fn word_of(time: i64) -> f64 {
    f64::from_bits(time.cast_unsigned())
}

pub(super) fn time_of(word: f64) -> i64 {
    word.to_bits().cast_signed()
}

/// The values of an argument for the rows of a batch.
#[derive(Debug)]
pub(super) struct Values {
    kind: ValuesKind,
    keep: Option<BooleanArray>,
}

#[derive(Debug)]
enum ValuesKind {
    Rows,
    Value,
    Computed(Float64Array),
}

impl Values {
    /// The value of a row, of which the column `value` is given; `None` when it does not count.
    #[inline]
    fn at(&self, row: usize, value: f64) -> Option<f64> {
        if let Some(keep) = &self.keep
            && !(keep.is_valid(row) && keep.value(row))
        {
            return None;
        }
        match &self.kind {
            ValuesKind::Rows => Some(1.0),
            ValuesKind::Value => (!is_stale(value)).then_some(value),
            ValuesKind::Computed(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }
}

impl Argument {
    fn plain(&self) -> Values {
        let kind = match &self.kind {
            ArgumentKind::Rows => ValuesKind::Rows,
            ArgumentKind::Value | ArgumentKind::Expression(_) => ValuesKind::Value,
        };
        Values { kind, keep: None }
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<Values> {
        let rows = batch.num_rows();
        let keep = match &self.filter {
            Some(filter) => Some(as_boolean_array(&filter.evaluate(batch)?.into_array(rows)?)?.clone()),
            None => None,
        };
        let kind = match &self.kind {
            ArgumentKind::Rows => ValuesKind::Rows,
            ArgumentKind::Value => ValuesKind::Value,
            ArgumentKind::Expression(expression) => {
                ValuesKind::Computed(numbers(&expression.evaluate(batch)?.into_array(rows)?)?)
            }
        };
        Ok(Values { kind, keep })
    }
}
