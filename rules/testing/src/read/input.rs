//! One item of `input`: what comes in.

use std::sync::LazyLock;
use std::time::Duration;

use flyball_twin::Mapping;
use flyball_yaml::{Fields, Node, Reader};

use super::{AT_MAX, at, labels, note_inside, power, twin};
use crate::notation::Values;
use crate::series::SeriesName;
use crate::test::{Input, Log, Signal};

const SERIES_KEYS: [&str; 4] = ["series", "from", "every", "values"];
const POWER_KEYS: [&str; 4] = ["power", "from", "every", "values"];
const LOG_KEYS: [&str; 9] =
    ["logs", "from", "every", "values", "severity", "severity_number", "body", "event_name", "attributes"];
const TWIN_KEYS: [&str; 8] = ["twin", "id", "parents", "labels", "attributes", "states", "from", "every"];

/// The kinds of input, each known by its first key.
const KINDS: [&str; 4] = ["series", "logs", "power", "twin"];

/// OpenTelemetry's number of each severity, where only its word is said.
const SEVERITIES: [(&str, u8); 6] =
    [("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARN", 13), ("ERROR", 17), ("FATAL", 21)];

/// Twin inputs of a test: each is a rule of the mapping that every series is held against.
const ENTITIES_MAX: usize = 200;

static BUILTIN: LazyLock<Mapping> = LazyLock::new(Mapping::builtin);

/// The inputs of a test while they are read.
pub(super) struct Inputs {
    inputs: Vec<Input>,
    mapping: Mapping,
    entities: usize,
    /// Values since this was taken last.
    pub(super) points: usize,
}

impl Inputs {
    pub(super) fn new() -> Self {
        Self { inputs: Vec::new(), mapping: BUILTIN.clone(), entities: 0, points: 0 }
    }

    pub(super) fn finish(self) -> (Vec<Input>, Mapping) {
        (self.inputs, self.mapping)
    }

    pub(super) fn read(&mut self, reader: &mut Reader, node: &Node) {
        let before = self.inputs.len();
        match KINDS.into_iter().find(|kind| node.get(kind).is_some()) {
            Some("series") => self.inputs.extend(series(reader, node)),
            Some("logs") => self.inputs.extend(logs(reader, node)),
            Some("power") => {
                let fields = reader.fields(node, "a power input", &POWER_KEYS);
                self.inputs.extend(fields.and_then(|fields| input(reader, fields, power::signal)));
            }
            Some(_) => {
                if let Some(fields) = reader.fields(node, "a twin input", &TWIN_KEYS) {
                    self.twin(reader, fields);
                }
            }
            None => {
                let hint = "begin it with series, logs, power or twin, like series: 'up{job=\"web\"}'";
                reader.error_with_hint(node, "an input says what comes in", hint);
            }
        }
        self.points += self.inputs[before..].iter().map(|input| input.values.steps()).sum::<usize>();
    }

    fn twin(&mut self, reader: &mut Reader, fields: Fields<'_>) -> Option<()> {
        let (from, every) = (reader.parse(fields, "from", at).unwrap_or_default(), every(reader, fields));
        let twin::Spoken { rules, series } = twin::read(reader, fields)?;
        self.entities += 1;
        if self.entities > ENTITIES_MAX {
            reader.error(fields.node(), format!("a test speaks of at most {ENTITIES_MAX} entities"));
            return None;
        }
        // What the mapping itself finds wrong is a name.
        match self.mapping.clone().extend("twin", &rules) {
            Ok(mapping) => self.mapping = mapping,
            Err(problems) => {
                problems.into_iter().for_each(|problem| reader.error(fields.node(), problem.message));
                return None;
            }
        }
        for twin::Series { metric, labels, values } in series {
            let every = timing(reader, fields, from, every, &values)?;
            self.inputs.push(Input { from, every, values, signal: Signal::Twin { metric, labels } });
        }
        Some(())
    }
}

fn series(reader: &mut Reader, node: &Node) -> Option<Input> {
    let fields = reader.fields(node, "a series", &SERIES_KEYS)?;
    input(reader, fields, |reader, fields| {
        let text = reader.required(fields, "series")?;
        let SeriesName { metric, labels } =
            SeriesName::parse(text.as_str()).map_err(|error| note_inside(reader, &text, &error)).ok()?;
        Some(Signal::Point { metric, labels, scale: 1.0 })
    })
}

/// An input whose `values` are numbers.
fn input(
    reader: &mut Reader,
    fields: Fields<'_>,
    signal: impl FnOnce(&mut Reader, Fields<'_>) -> Option<Signal>,
) -> Option<Input> {
    let signal = signal(reader, fields);
    reader.require(fields, "values");
    let values = fields.get("values").and_then(|node| values(reader, node, "'values'"));
    finish(reader, fields, signal?, values?)
}

fn logs(reader: &mut Reader, node: &Node) -> Option<Input> {
    let fields = reader.fields(node, "a log input", &LOG_KEYS)?;
    let text = |reader: &mut Reader, key: &str| {
        let text = fields.get(key).and_then(|node| reader.text(node, &format!("'{key}'")));
        text.map(|text| text.as_str().to_owned())
    };
    let resource = fields.get("logs").map(|node| labels(reader, node, "'logs'")).unwrap_or_default();
    let severity = text(reader, "severity").unwrap_or_default();
    let number = reader.whole(fields, "severity_number", 1);
    if let (Some(25..), Some(node)) = (number, fields.get("severity_number")) {
        reader.error(node, "OpenTelemetry's severities are 1 (TRACE) to 24 (FATAL4)");
    }
    let of_word = SEVERITIES.iter().find(|(word, _)| severity.eq_ignore_ascii_case(word)).map_or(0, |known| known.1);
    let attributes = fields.get("attributes").map(|node| reader.texts(node, "'attributes'")).unwrap_or_default();
    let log = Log {
        resource,
        severity,
        severity_number: number.and_then(|number| u8::try_from(number).ok()).unwrap_or(of_word),
        body: text(reader, "body"),
        event_name: text(reader, "event_name").unwrap_or_default(),
        attributes: attributes
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
            .collect(),
    };
    let values = match fields.get("values") {
        Some(node) => values(reader, node, "'values'")?,
        None => Values::one(1.0),
    };
    if let Some(node) = fields.get("values")
        && values.iter().flatten().any(|count| !(0.0..=RECORDS_MAX).contains(&count) || count.fract() != 0.0)
    {
        reader.error(node, "the values of a log input say how many records come at a time: whole numbers up to 1000");
        return None;
    }
    finish(reader, fields, Signal::Logs(Box::new(log)), values)
}

/// Records of one input at one time.
const RECORDS_MAX: f64 = 1000.0;

fn finish(reader: &mut Reader, fields: Fields<'_>, signal: Signal, values: Values) -> Option<Input> {
    let from = reader.parse(fields, "from", at).unwrap_or_default();
    let every = every(reader, fields);
    let every = timing(reader, fields, from, every, &values)?;
    Some(Input { from, every, values, signal })
}

fn every(reader: &mut Reader, fields: Fields<'_>) -> Option<Duration> {
    let every = reader.parse(fields, "every", at);
    if let (Some(Duration::ZERO), Some(node)) = (every, fields.get("every")) {
        reader.error(node, "'every' is at least 1ms");
    }
    every.filter(|every| !every.is_zero())
}

/// The time between two of the values, which must be known where there are two.
fn timing(
    reader: &mut Reader,
    fields: Fields<'_>,
    from: Duration,
    every: Option<Duration>,
    values: &Values,
) -> Option<Duration> {
    let last = values.steps().saturating_sub(1) as u32;
    let Some(every) = every else {
        if last == 0 {
            return Some(Duration::ZERO);
        }
        if fields.get("every").is_none() {
            let hint = "add every: 15s, the time between them";
            reader.error_with_hint(fields.node(), "an input of several values needs 'every'", hint);
        }
        return None;
    };
    if every.checked_mul(last).is_none_or(|length| from + length > AT_MAX) {
        reader.error(fields.node(), "the last of these values comes after more than 366d");
        return None;
    }
    Some(every)
}

/// Values in promtool's notation.
pub(super) fn values(reader: &mut Reader, node: &Node, what: &str) -> Option<Values> {
    let text = reader.text(node, what)?;
    Values::parse(text.as_str()).map_err(|error| note_inside(reader, &text, &error)).ok()
}
