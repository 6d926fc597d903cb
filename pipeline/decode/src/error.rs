//! What can be wrong with a body.

use flyball_model::intake::RefusalKind;
use flyball_model::ledger::Reason;

use crate::exposition::ExpositionProblem;

/// Why a body could not be read. The sender's fault, where sending the same bytes again can't help; but for [`DecodeError::NoRoom`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a protobuf message of the expected type.
    #[error("byte {offset}, in {message}: {problem}")]
    Wire {
        /// Where in the decompressed body.
        offset: usize,
        /// The message type that was being read there.
        message: &'static str,
        /// What is wrong.
        problem: WireProblem,
    },
    /// An attribute or a log body has arrays or maps nested too deeply.
    #[error("byte {offset}: an AnyValue is nested more than {max} levels deep; flatten it")]
    TooDeep {
        /// Where in the decompressed body.
        offset: usize,
        /// The most levels that are read.
        max: usize,
    },
    /// The body is longer than the limit.
    #[error("the body is longer than {max} bytes{}; send smaller batches, or raise receivers.otlp.max_body and limits.memory", if *.compressed { " when decompressed" } else { "" })]
    TooLarge {
        /// The most bytes that are taken.
        max: usize,
        /// Whether it was compressed.
        compressed: bool,
    },
    /// There is no memory to decompress it now.
    #[error("there is no room for the {bytes} bytes that it becomes when decompressed; send it again later")]
    NoRoom {
        /// How many bytes were wanted.
        bytes: usize,
    },
    /// The body has more items than one batch holds: millions of tiny ones that would grow on the way.
    #[error("the body has more than {max} {what}; send smaller batches")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most that one body may have.
        max: usize,
    },
    /// The table of symbols of a remote write 2.0 request does not begin with the empty text.
    #[error(
        "the first symbol is {found:?} and must be the empty text, which references of 0 mean; put it first at the sender"
    )]
    FirstSymbol {
        /// What it is, cut to 100 characters.
        found: String,
    },
    /// The body is not what a Prometheus exporter says.
    #[error("line {line}, column {column}: {problem}")]
    Exposition {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        problem: ExpositionProblem,
    },
    /// The bytes are not the JSON form of the expected message.
    #[error("line {line}, column {column}{}{path}: {problem}", if .path.is_empty() { "" } else { ", in " })]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; it is where reading stopped.
        column: usize,
        /// The fields around it, from the outside: `resourceMetrics[0].resource`. Empty outside of all of them.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// The body claims to be gzip and is not, or is cut off.
    #[error("gzip, after {produced} decompressed bytes: {problem}")]
    Gzip {
        /// How much came out before.
        produced: usize,
        /// What is wrong.
        problem: String,
    },
    /// The body claims to be a snappy block and is not.
    #[error("snappy: {problem}")]
    Snappy {
        /// What is wrong.
        problem: String,
    },
}

/// What is wrong with protobuf bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireProblem {
    /// The bytes end inside a varint.
    #[error("the bytes end inside a number")]
    UnfinishedVarint,
    /// A varint does not fit 64 bits.
    #[error("a number is longer than 64 bits")]
    OverlongVarint,
    /// A field's key is zero or beyond protobuf's range.
    #[error("{key} is not a field's key")]
    BadKey {
        /// The key: field number x 8 + wire type.
        key: u64,
    },
    /// The value of a field is cut off.
    #[error("field {field} needs {needed} bytes and {left} are left")]
    Truncated {
        /// The field's number.
        field: u32,
        /// How many bytes it claims.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// A field has another type on the wire than in the schema.
    #[error("field {field} is of wire type {got} instead of {expected}")]
    WrongWireType {
        /// The field's number.
        field: u32,
        /// What it is.
        got: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A group ends that did not begin, or does not end.
    #[error("the group of field {field} has no matching {missing}")]
    UnbalancedGroup {
        /// The field's number.
        field: u32,
        /// `start` or `end`.
        missing: &'static str,
    },
    /// Groups nested too deeply.
    #[error("groups are nested more than {max} levels deep")]
    GroupTooDeep {
        /// The most levels that are skipped.
        max: usize,
    },
}

impl DecodeError {
    /// The family of wire answers that fits.
    pub fn refusal_kind(&self) -> RefusalKind {
        match self {
            DecodeError::TooLarge { .. } | DecodeError::TooMany { .. } => RefusalKind::TooLarge,
            DecodeError::NoRoom { .. } => RefusalKind::Unavailable,
            _ => RefusalKind::Malformed,
        }
    }

    /// The reason that stands in the ledger.
    pub fn reason(&self) -> Reason {
        match self {
            DecodeError::TooLarge { .. } | DecodeError::TooMany { .. } => Reason::BodyTooLarge,
            DecodeError::NoRoom { .. } => Reason::Unavailable,
            _ => Reason::Malformed,
        }
    }
}
