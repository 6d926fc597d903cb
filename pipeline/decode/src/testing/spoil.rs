//! Bytes made worse: scrambled within protobuf's rules, or spoilt beyond them.

use proptest::prelude::*;

use crate::wire::Slice;

/// Which fields of a message are messages themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema(pub(crate) &'static [(u32, &'static Schema)]);

/// Shuffles the fields of a message and of all messages inside of it, and sends some of them twice: still a valid
/// message, though not the same one, since the last of several scalars counts and messages are joined.
pub(crate) fn scramble(bytes: &[u8], schema: &Schema, random: &mut impl FnMut() -> u32) -> Vec<u8> {
    let mut fields = Vec::new();
    for field in Slice::body(bytes).fields("scrambled") {
        let field = field.expect("the message is valid");
        let inner = schema.0.iter().find(|inner| inner.0 == field.number);
        let whole = match inner {
            Some((number, schema)) => {
                let inner = scramble(field.bytes().expect("a message"), schema, random);
                let mut whole = Vec::new();
                prost::encoding::encode_key(*number, prost::encoding::WireType::LengthDelimited, &mut whole);
                prost::encoding::encode_varint(inner.len() as u64, &mut whole);
                whole.extend(inner);
                whole
            }
            None => field.whole().bytes().to_vec(),
        };
        if random().is_multiple_of(8) {
            fields.push(whole.clone());
        }
        fields.push(whole);
    }
    for last in (1..fields.len()).rev() {
        // Mostly as they were: repeated fields in disorder hide what a lone stranger among them would show.
        if random().is_multiple_of(3) {
            fields.swap(last, random() as usize % (last + 1));
        }
    }
    fields.concat()
}

/// Numbers that are random enough to shuffle with (xorshift), from a seed that proptest can print.
pub(crate) fn numbers(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    }
}

/// One way to spoil bytes. Places are taken modulo the length.
#[derive(Debug, Clone)]
pub(crate) enum Spoiling {
    Cut(usize),
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

/// A few spoilings.
pub(crate) fn spoilings() -> impl Strategy<Value = Vec<Spoiling>> {
    let one = prop_oneof![
        any::<usize>().prop_map(Spoiling::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Spoiling::Set(at, byte)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Spoiling::Insert(at, bytes)),
        (any::<usize>(), 1..20usize).prop_map(|(at, length)| Spoiling::Remove(at, length)),
        (any::<usize>(), 1..40usize).prop_map(|(at, length)| Spoiling::Repeat(at, length)),
    ];
    prop::collection::vec(one, 1..5)
}

/// Applies spoilings one after the other.
pub(crate) fn spoil(mut bytes: Vec<u8>, spoilings: &[Spoiling]) -> Vec<u8> {
    for spoiling in spoilings {
        let place = |at: &usize| at % (bytes.len() + 1);
        match spoiling {
            Spoiling::Cut(at) => bytes.truncate(place(at)),
            Spoiling::Set(at, byte) => {
                let at = place(at);
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = *byte;
                }
            }
            Spoiling::Insert(at, new) => {
                let at = place(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Spoiling::Remove(at, length) => {
                let start = place(at);
                bytes.drain(start..bytes.len().min(start + length));
            }
            Spoiling::Repeat(at, length) => {
                let start = place(at);
                let again = bytes[start..bytes.len().min(start + length)].to_vec();
                bytes.splice(start..start, again);
            }
        }
    }
    bytes
}
