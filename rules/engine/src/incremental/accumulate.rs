//! What is kept of the points of a pane: a few numbers for each aggregate, which can be put together with those of other panes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use flyball_model::batch::is_stale;

use super::by_series::OfSeries;
use super::distinct::Distinct;
use super::line;
use super::sketch::{Sketch, Sketcher, Sketches};
use super::values::{Argument, ArgumentKind, Values};

/// What a point is added to.
#[derive(Debug)]
pub(super) struct PaneOf<'p> {
    /// The numbers of the pane.
    pub(super) numbers: &'p mut [f64],
    /// What some of them tell; `None` where the numbers are a sum of panes.
    pub(super) sketches: Option<&'p mut Sketches>,
    /// The values of all groups, the number of this one, and that of its pane; `None` where the layout has no [`Function::Distinct`].
    pub(super) distinct: Option<(&'p mut Distinct, u32, i64)>,
}

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
    /// The value with the least time, or null if there is none.
    First,
    /// The value with the greatest time, or null if there is none.
    Last,
    /// The slope per second of the straight line through the values, by least squares.
    Line,
    /// What DataFusion computes of a state of its own.
    Sketch,
    /// How many different values there are.
    Distinct,
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
    /// Where the sketch of the pane lies, and where that of its block does (`panes`).
    Sketch,
    /// Nothing in the pane; in the place of a place among its numbers stands which of the inputs that are counted so it is.
    Distinct,
}

impl Statistic {
    /// The numbers that it takes.
    const fn words(self) -> usize {
        match self {
            Statistic::Distinct => 0,
            Statistic::Sum | Statistic::Min | Statistic::Max => 1,
            Statistic::Moments | Statistic::First | Statistic::Last | Statistic::Sketch => 2,
            Statistic::Line => 5,
        }
    }
}

impl Function {
    /// Whether a row without a value may be its answer.
    pub(super) fn respects_nulls(self) -> bool {
        matches!(self, Function::First | Function::Last)
    }

    /// Whether its result is computed from the numbers of panes alone.
    pub(super) fn is_of_numbers(self) -> bool {
        !matches!(self, Function::Sketch | Function::Distinct)
    }

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
            Function::Sketch => Some(Statistic::Sketch),
            Function::Distinct => Some(Statistic::Distinct),
        }
    }
}

/// An argument, and where its statistics stand among the numbers of a pane.
#[derive(Debug)]
struct Input {
    argument: Argument,
    /// Of its count; the statistics stand behind.
    at: usize,
    statistics: Vec<(Statistic, usize)>,
}

impl Input {
    /// Adds a point to what a pane has of this input, whose place among all is given.
    #[inline]
    fn add(&self, pane: &mut PaneOf<'_>, place: usize, values: &Values, row: usize, time: i64, value: f64) {
        let Some(value) = values.at(row, value) else { return };
        let PaneOf { numbers: pane, sketches, distinct } = pane;
        let count = pane[self.at];
        for &(statistic, at) in &self.statistics {
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
                Statistic::Sketch => {
                    if let Some(sketches) = sketches {
                        values.arguments(row, |row| sketches.add(&mut pane[at], place, row));
                    }
                }
                Statistic::Distinct => {
                    if let (Some((distinct, group, number)), Some(key)) = (distinct.as_mut(), values.key(row)) {
                        distinct.add(*group, at, *number, key);
                    }
                }
            }
        }
        pane[self.at] = count + 1.0;
    }
}

/// Where an aggregate's result comes from.
#[derive(Debug, Clone)]
struct Output {
    function: Function,
    count_at: usize,
    at: usize,
    data_type: DataType,
    sketcher: Option<Arc<Sketcher>>,
}

/// How the numbers of a pane are laid out.
#[derive(Debug)]
pub(super) struct Layout {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    words: usize,
    /// Inputs whose different values are counted.
    distinct: usize,
}

impl Layout {
    /// Room for these aggregates; those over the same argument share what they can.
    pub(super) fn new(aggregates: Vec<(Function, Argument, DataType)>) -> Self {
        let (mut inputs, mut words, mut distinct): (Vec<Input>, usize, usize) = (Vec::new(), 0, 0);
        for (_, argument, _) in &aggregates {
            if !inputs.iter().any(|input| input.argument.text == argument.text) {
                let wanted = aggregates.iter().filter(|other| other.1.text == argument.text);
                let at = words;
                words += 1;
                let mut statistics = Vec::new();
                for statistic in wanted.filter_map(|(function, ..)| function.statistic()) {
                    if statistics.iter().any(|&(known, _)| known == statistic) {
                        continue;
                    }
                    if statistic == Statistic::Distinct {
                        statistics.push((statistic, distinct));
                        distinct += 1;
                    } else {
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
            let at = place.map_or(input.at, |known| known.1);
            let sketcher = argument.sketcher().cloned();
            Output { function, count_at: input.at, at, data_type, sketcher }
        });
        Self { outputs: outputs.collect(), inputs, words, distinct }
    }

    /// Room for one aggregate of the column `value`.
    pub(super) fn of_value(function: Function) -> Self {
        let argument = Argument {
            text: String::new(),
            kind: ArgumentKind::Value,
            filter: None,
            of_series: None,
            respects_nulls: false,
        };
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

    /// Which numbers tell a sketch, each with its input.
    pub(super) fn sketched(&self) -> impl Iterator<Item = (usize, usize)> {
        let of = |(input, of): (usize, &Input)| {
            let statistic = of.statistics.iter().find(|(statistic, _)| *statistic == Statistic::Sketch);
            statistic.map(|&(_, at)| (at, input))
        };
        self.inputs.iter().enumerate().filter_map(of)
    }

    /// What makes the states of an input's sketches.
    ///
    /// # Panics
    /// When the input is none of [`Layout::sketched`].
    pub(super) fn sketcher(&self, input: usize) -> &Sketcher {
        self.inputs[input].argument.sketcher().expect("only inputs with a sketcher have sketches")
    }

    /// How many inputs there are whose different values are counted.
    pub(super) fn distinct(&self) -> usize {
        self.distinct
    }

    /// Memory of what is known of series.
    pub(super) fn bytes(&self) -> usize {
        self.inputs.iter().map(|input| input.argument.bytes()).sum()
    }

    /// Whether [`Layout::evaluate`] asks for positions of series.
    pub(super) fn needs_positions(&self) -> bool {
        self.inputs.iter().any(|input| input.argument.is_of_series())
    }

    /// The values of each argument for points, figures or records of these series.
    pub(super) fn evaluate(&self, batch: &RecordBatch, series: OfSeries<'_>) -> Result<Vec<Values>> {
        self.inputs.iter().map(|input| input.argument.evaluate(batch, series)).collect()
    }

    /// Whether [`Layout::evaluate`] looks at the batch at all.
    pub(super) fn needs_batch(&self) -> bool {
        self.inputs.iter().any(|input| !input.argument.is_plain())
    }

    /// The same as [`Layout::evaluate`] where no batch is needed.
    pub(super) fn plain(&self) -> Vec<Values> {
        self.inputs.iter().map(|input| input.argument.plain()).collect()
    }

    /// Adds a point to a pane.
    #[inline]
    pub(super) fn add(&self, mut pane: PaneOf<'_>, values: &[Values], row: usize, time: i64, value: f64) {
        for (place, (input, values)) in self.inputs.iter().zip(values).enumerate() {
            input.add(&mut pane, place, values, row, time, value);
        }
    }

    /// Adds records, which have no number of their own, to a pane. They are some of those that the times are of.
    pub(super) fn add_records(&self, mut pane: PaneOf<'_>, values: &[Values], records: &[u32], times: &[i64]) {
        for (place, (input, values)) in self.inputs.iter().zip(values).enumerate() {
            if input.statistics.is_empty() && values.are_rows() {
                pane.numbers[input.at] += records.len() as f64;
                continue;
            }
            for &row in records {
                input.add(&mut pane, place, values, row as usize, times[row as usize], 0.0);
            }
        }
    }

    /// Puts the numbers of a pane to what is there, but for those that tell sketches.
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
                    Statistic::Sketch | Statistic::Distinct => {}
                }
            }
            into[input.at] = before + more;
        }
    }

    /// The results of an aggregate that is computed from numbers for some groups, where it has any; `groups` are their numbers, one after the other.
    pub(super) fn results(&self, aggregate: usize, groups: &[f64]) -> impl Iterator<Item = f64> {
        let output = &self.outputs[aggregate];
        groups.chunks_exact(self.words).filter_map(|words| output.result(words))
    }

    /// The columns of the aggregates for so many groups; `numbers` are those of each, one after the other. `sketches` gives the sketches that a
    /// number of theirs tells, each with the place of its group, rising; `distinct` how many different values the group at a place has, of one of the
    /// inputs that are counted so.
    pub(super) fn columns<'s>(
        &self,
        groups: usize,
        numbers: &[f64],
        sketches: impl Fn(usize) -> Vec<(usize, &'s Sketch)>,
        distinct: impl Fn(usize, usize) -> usize,
    ) -> Result<Vec<ArrayRef>> {
        let column = |output: &Output| {
            let values: ArrayRef = match &output.sketcher {
                Some(sketcher) => sketcher.evaluate(&sketches(output.at), groups)?,
                None if output.function == Function::Distinct => {
                    let counts = (0..groups).map(|place| Some(distinct(place, output.at) as f64));
                    Arc::new(counts.collect::<Float64Array>())
                }
                None => {
                    let results = numbers.chunks_exact(self.words).map(|words| output.result(words));
                    Arc::new(results.collect::<Float64Array>())
                }
            };
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
            Function::First | Function::Last => Some(words[at + 1]).filter(|value| !is_stale(*value)),
            Function::Line => line::slope(&words[at..at + 5], count),
            // These are not made of numbers.
            Function::Sketch | Function::Distinct => None,
            Function::Variance { sample: true, .. } if count < 2.0 => None,
            Function::Variance { sample, root } => {
                let variance = words[at + 1] / if sample { count - 1.0 } else { count };
                Some(if root { variance.sqrt() } else { variance })
            }
        }
    }
}

/// A time among numbers, by its bits.
pub(super) fn word_of(time: i64) -> f64 {
    f64::from_bits(time.cast_unsigned())
}

pub(super) fn time_of(word: f64) -> i64 {
    word.to_bits().cast_signed()
}
