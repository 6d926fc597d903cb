//! What the records of OTLP logs and traces have in common: the resource whose stream they are in, and their scope.

use flyball_decode::DecodeError;
use flyball_decode::otlp::any_value::KeyValue;
use flyball_decode::otlp::scope::Scope;
use flyball_model::{SeriesRef, Shape, UnixNanos};

use crate::attributes::{Attributes, Layout, ScopeAttributes};
use crate::fault::{Fault, Found, part};
use crate::labels::Level;
use crate::rejections::Subject;
use crate::series::SeriesKey;
use crate::work::Work;

/// The attribute that holds the name of the instrumentation scope, as the OpenTelemetry specification calls it.
const SCOPE_NAME: &str = "otel.scope.name";

/// The same for its version.
const SCOPE_VERSION: &str = "otel.scope.version";

/// What stands before the name of each attribute of the scope itself.
const SCOPE_PREFIX: &str = "otel.scope.";

/// The stream of a resource: looked up once, by its first good record.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    table: &'static str,
    labels: Result<Level<'a>, Fault<'a>>,
    number: Option<Result<SeriesRef, Fault<'a>>>,
}

impl<'a> Stream<'a> {
    /// Reads a resource's attributes as labels. `table` is the pseudo-metric.
    pub(crate) fn read(
        work: &Work<'_, 'a>,
        table: &'static str,
        attributes: impl IntoIterator<Item = Result<KeyValue<'a>, DecodeError>>,
    ) -> Result<Self, DecodeError> {
        let mut level = Level::default();
        let filled = part(level.fill_resource(attributes, work.limits))?;
        Ok(Self { table, labels: filled.map(|()| level), number: None })
    }

    /// The stream's number. A resource that has none refuses each of its records.
    #[inline]
    pub(crate) fn find(&mut self, work: &mut Work<'_, 'a>, at: UnixNanos) -> Found<'a, SeriesRef> {
        match &self.number {
            Some(Ok(number)) => Ok(*number),
            Some(Err(fault)) => Err(fault.clone().into()),
            None => self.look_up(work, at),
        }
    }

    fn look_up(&mut self, work: &mut Work<'_, 'a>, at: UnixNanos) -> Found<'a, SeriesRef> {
        let number = match &self.labels {
            Ok(resource) => {
                part(work.finder.find(None, &SeriesKey::Stream { table: self.table, resource }, Shape::Streams, at))?
            }
            Err(fault) => Err(fault.clone()),
        };
        Ok(self.number.insert(number).clone()?)
    }
}

/// Takes the records of a scope one by one, with what the scope adds to each of them. A scope that is bad refuses each of its
/// records; `subject` says of a refused one what it was.
///
/// # Errors
/// When the body is broken.
pub(crate) fn walk_scope<'n, 'a, R>(
    work: &mut Work<'n, 'a>,
    scope: Scope<'a>,
    records: impl Iterator<Item = Result<R, DecodeError>>,
    subject: impl Fn(&R) -> Subject<'a>,
    mut take: impl FnMut(&mut Work<'n, 'a>, &R, &ScopeAttributes) -> Found<'a, ()>,
) -> Result<(), DecodeError> {
    let scope = part(scope_attributes(scope))?;
    for record in records {
        let record = record?;
        work.met(1);
        let taken = match &scope {
            Ok(scope) => part(take(work, &record, scope))?,
            Err(fault) => Err(fault.clone()),
        };
        if let Err(fault) = taken {
            work.rejections.add(&fault, 1, subject(&record));
        }
    }
    Ok(())
}

/// What a scope adds to each of its records: its name and version, and its own attributes.
fn scope_attributes<'a>(scope: Scope<'a>) -> Found<'a, ScopeAttributes> {
    let mut read = ScopeAttributes::default();
    for (name, field, bytes) in
        [(SCOPE_NAME, "scope name", scope.name), (SCOPE_VERSION, "scope version", scope.version)]
    {
        let value = text(field, bytes)?;
        if !value.is_empty() {
            read.add(name.to_owned(), value)?;
        }
    }
    let mut attributes = Attributes::default();
    let set = attributes.read(&mut Layout::default(), scope.attributes())?;
    for (name, value) in attributes.of(&set, ScopeAttributes::NONE) {
        read.add(format!("{SCOPE_PREFIX}{name}"), value)?;
    }
    Ok(read)
}

/// Text of a record's own field.
#[inline]
pub(crate) fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Fault<'a>> {
    std::str::from_utf8(bytes).map_err(|_| Fault::TextNotUtf8 { field, text: bytes })
}
