//! Requests with anything in them, made from the tables; and prost's view of them, which knows nothing of the tables.

use std::any::Any;

use serde::Serialize;

use super::*;
use crate::otlp_json::schema::{Cardinality, Field, Kind};
use crate::testing::numbers;

/// A request of a signal as prost reads it: to be compared, and written as JSON by its own serialisation.
pub(super) trait Request: std::fmt::Debug {
    fn json(&self) -> String;
    fn same_as(&self, other: &dyn Any) -> bool;
    fn as_any(&self) -> &dyn Any;
}

impl<M: Serialize + PartialEq + std::fmt::Debug + 'static> Request for M {
    fn json(&self) -> String {
        serde_json::to_string(self).expect("a message can be written as JSON")
    }

    fn same_as(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<M>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What prost makes of the bytes.
pub(super) fn decoded(signal: Signal, bytes: &[u8]) -> Result<Box<dyn Request>, prost::DecodeError> {
    Ok(match signal {
        Signal::Metrics => Box::new(ExportMetricsServiceRequest::decode(bytes)?),
        Signal::Logs => Box::new(ExportLogsServiceRequest::decode(bytes)?),
        Signal::Traces => Box::new(ExportTraceServiceRequest::decode(bytes)?),
    })
}

/// A request with anything in it but doubles that JSON has no number for, as protobuf. The same seed makes the same one.
pub(super) fn request(signal: Signal, seed: u64) -> Vec<u8> {
    let mut maker = Maker {
        random: numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        fields_left: 400,
        output: Output::new(ROOM, 0),
    };
    maker.message(super::request(signal));
    maker.output.finish().expect("room")
}

/// The same as JSON.
pub(super) fn json(signal: Signal, seed: u64) -> String {
    decoded(signal, &request(signal, seed)).expect("valid").json()
}

struct Maker<R> {
    random: R,
    /// Bounds the whole.
    fields_left: usize,
    output: Output,
}

impl<R: FnMut() -> u32> Maker<R> {
    fn below(&mut self, end: u32) -> u32 {
        (self.random)() % end
    }

    fn message(&mut self, message: &'static Message) {
        let members = message.fields.iter().filter(|field| field.cardinality == Cardinality::OneOf).count() as u32;
        // Now and then the oneof is not set.
        let mut member = self.below(members * 8 / 7 + 1);
        for field in message.fields {
            self.fields_left = self.fields_left.saturating_sub(1);
            let there = match field.cardinality {
                Cardinality::OneOf => {
                    member = member.wrapping_sub(1);
                    member == u32::MAX
                }
                _ => self.below(8) > 0,
            };
            if there && self.fields_left > 0 {
                self.field(field);
            }
        }
    }

    fn field(&mut self, field: &'static Field) {
        if field.cardinality != Cardinality::Many {
            return self.value(field, true);
        }
        let items = self.below(4);
        if field.kind.is_packed() {
            let list = self.output.open(field.number).expect("room");
            (0..items).for_each(|_| self.value(field, false));
            self.output.close(list);
        } else {
            (0..items).for_each(|_| self.value(field, true));
        }
    }

    fn value(&mut self, field: &'static Field, keyed: bool) {
        let bits = u64::from((self.random)()) << 32 | u64::from((self.random)());
        // Small ones are as interesting as large ones.
        let bits = if self.below(2) == 0 { bits } else { bits >> self.below(64) };
        let text = match self.below(6) {
            0 => String::new(),
            1 => "é\u{0}\"\\\u{10ffff}\n".into(),
            2 => "x".repeat(bits as usize % 300),
            _ => format!("{bits:x}"),
        };
        let output = &mut self.output;
        let written = match field.kind {
            Kind::Message(message) => {
                let opened = output.open(field.number).expect("room");
                self.message(message);
                self.output.close(opened);
                return;
            }
            Kind::String | Kind::Bytes | Kind::Id => {
                output.key(field.number, output::WireType::Length).and_then(|()| output.bytes(text.as_bytes()))
            }
            kind => {
                let bits = bits as i64;
                let text = match kind {
                    Kind::Bool => (bits & 1).to_string(),
                    Kind::Int32 | Kind::Sint32 | Kind::Enum(_) => (bits as i32).to_string(),
                    Kind::Uint32 | Kind::Fixed32 => (bits as u32).to_string(),
                    Kind::Int64 | Kind::Sfixed64 => bits.to_string(),
                    Kind::Uint64 | Kind::Fixed64 => (bits as u64).to_string(),
                    _ => Some(f64::from_bits(bits as u64)).filter(|value| value.is_finite()).unwrap_or(0.5).to_string(),
                };
                let number = number::number(if matches!(kind, Kind::Bool) { Kind::Uint32 } else { kind }, &text);
                number.expect("fits").write(keyed.then_some(field.number), output)
            }
        };
        written.expect("room");
    }
}
