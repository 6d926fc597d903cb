//! OTLP's JSON: a request becomes the protobuf bytes of the same message, which then go the way of all others.
//!
//! One decoder is enough to keep right. The JSON is read once, as a stream: each value is written as protobuf where it
//! is met, by the tables of `messages`, so that nothing is built but the bytes that come out.
//!
//! | module | job |
//! |---|---|
//! | `schema` | what a table says of a message |
//! | `messages` | the tables: every message of OTLP's metrics, logs and traces |
//! | `object` | objects and lists, read by a table |
//! | `text` | strings, ids in hex, bytes in base64, truth values |
//! | `number` | all kinds of numbers |
//! | `decimal` | a number's text, exactly |
//! | `output` | protobuf bytes, bounded |
//! | `fault` | an error's line, column and path |
//!
//! The rules are those of the OpenTelemetry Protocol specification, "JSON Protobuf Encoding", and of protobuf's own JSON
//! mapping where that one is silent. Where both leave a receiver the choice:
//!
//! - A field's name may also be the original one (`resource_metrics`), which protobuf's parsers take too; ignored as
//!   unknown, its data would be lost without a word.
//! - An enum's name instead of its number is an error that says the number.
//! - A name that comes twice in an object, and two members of a oneof, are errors, not a matter of luck.
//! - `null` is a field that is not there. It is an error as an item of a list, where it would shift the others.
//! - A number may stand in a string, whatever its kind; integers may have a fraction of zeros or an exponent, and are read
//!   exactly. What does not fit the field's type is an error, also a double beyond all doubles.
//! - Bytes may be in either alphabet of base64, padded or not. The length of an id is not judged here.

mod decimal;
mod fault;
mod messages;
mod number;
mod object;
mod output;
mod schema;
mod text;

use flyball_model::ledger::Signal;
use serde_json::Deserializer;

use self::fault::Path;
use self::output::Output;
use self::schema::Message;
use crate::error::DecodeError;

/// Turns a request of one signal from OTLP's JSON into protobuf: at most `max_bytes` of it.
///
/// Fields with unknown names are left out. A length of 16 KiB or more is written with five bytes, where fewer may do:
/// moving what comes after it would cost more, and every reader of protobuf takes it.
///
/// # Errors
/// When the bytes are not JSON in UTF-8, not such a request, nested deeper than an AnyValue may be, or when more than
/// `max_bytes` would come out.
pub fn to_protobuf(signal: Signal, json: &[u8], max_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    let request = request(signal);
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(fault::empty(request));
    }
    let mut work = Work { output: Output::new(max_bytes, json.len()), path: Path::default() };
    let mut deserializer = Deserializer::from_slice(json);
    // The tables bound how deep we go: only AnyValues are recursive, and they are counted. What no table knows is passed
    // over without recursion.
    deserializer.disable_recursion_limit();
    let read = object::read_request(request, &mut work, &mut deserializer).and_then(|()| deserializer.end());
    let Work { output, path } = work;
    let too_large = DecodeError::TooLarge { max: max_bytes, compressed: false };
    match read {
        Ok(()) => output.finish().map_err(|_| too_large),
        Err(_) if output.is_full() => Err(too_large),
        Err(error) => Err(fault::located(&error, &path)),
    }
}

const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Metrics => &messages::metrics::REQUEST,
        Signal::Logs => &messages::logs::REQUEST,
        Signal::Traces => &messages::traces::REQUEST,
    }
}

/// What is carried along while a request is read.
struct Work {
    output: Output,
    path: Path,
}

#[cfg(test)]
mod tests;
