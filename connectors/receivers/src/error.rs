//! Why a request never became a submission.

use std::time::Duration;

use flyball_model::Refusal;
use flyball_model::admission::{Crowded, NotNow};
use flyball_model::intake::RefusalKind;
use flyball_model::ledger::Reason;

/// A request that was refused before its body reached the pipeline.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The body is of a kind that this path does not take.
    #[error("the content type is {found}; send {expected}")]
    ContentType { found: String, expected: &'static str },
    /// The body is compressed in a way that this path does not take.
    #[error("the content encoding is {found}; send {expected}")]
    ContentEncoding { found: String, expected: &'static str },
    /// A parameter in the URL is missing or can't be understood.
    #[error("{0}")]
    Parameter(String),
    /// The body, or what its header announces, is over the limit.
    #[error(
        "the body is longer than {bytes_max} bytes; send smaller batches, or raise receivers.otlp.max_body and limits.memory"
    )]
    TooLarge { bytes_max: usize },
    /// The bodies under way fill the memory set aside for them.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// The pipeline takes nothing of this sender now.
    #[error("{}", .0.refusal.message)]
    NotNow(NotNow),
    /// A connection beyond the bound.
    #[error("{max} connections are open already; share connections or come again later")]
    Connections { max: usize },
    /// The connection or the stream broke off.
    #[error("the body broke off before it was whole: {0}")]
    Interrupted(String),
    /// The body is cut into chunks that can't be read (RFC 9112, 7.1): another attempt fails in the same way.
    #[error("the body is not chunked as HTTP/1.1 has it: {0}; mend what sends it")]
    Chunks(String),
    /// The sender took too long.
    #[error("the body was not whole within {} s; send smaller batches or mend the link", .0.as_secs())]
    TimedOut(Duration),
    /// The body is not one gRPC message.
    #[error("not one gRPC message: {0}")]
    Framing(#[from] FramingError),
}

/// What is wrong with the length-prefixed message of a unary gRPC request.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// The request ended without a message.
    #[error("the request carries none")]
    Missing,
    /// The request ended in the middle of a message.
    #[error("the request ended after {bytes} of {announced} bytes, the prefix included")]
    Short { bytes: usize, announced: usize },
    /// There is more after the first message.
    #[error("more follows the first message, and Export is a unary call")]
    Trailing,
    /// The first byte is neither 0 nor 1.
    #[error("the compressed flag is {0}, not 0 or 1")]
    Flag(u8),
    /// Compressed, but not said how.
    #[error("the compressed flag is set, but the grpc-encoding header names no compression")]
    CompressedHow,
}

impl RequestError {
    /// The reason that the ledger shows.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            RequestError::ContentType { .. } => Reason::ContentType,
            RequestError::ContentEncoding { .. } => Reason::ContentEncoding,
            RequestError::TooLarge { .. } => Reason::BodyTooLarge,
            RequestError::Crowded(_) | RequestError::Connections { .. } => Reason::Unavailable,
            RequestError::NotNow(not_now) => not_now.reason,
            RequestError::Interrupted(_) | RequestError::TimedOut(_) => Reason::Interrupted,
            RequestError::Chunks(_) | RequestError::Framing(_) | RequestError::Parameter(_) => Reason::Malformed,
        }
    }

    /// The family of wire answers. A body that a bad link cut off may be sent again, so it is not the client's fault.
    fn kind(&self) -> RefusalKind {
        match self {
            RequestError::ContentType { .. } | RequestError::ContentEncoding { .. } => RefusalKind::Unsupported,
            RequestError::TooLarge { .. } => RefusalKind::TooLarge,
            RequestError::NotNow(not_now) => not_now.refusal.kind,
            RequestError::Crowded(_)
            | RequestError::Connections { .. }
            | RequestError::Interrupted(_)
            | RequestError::TimedOut(_) => RefusalKind::Unavailable,
            RequestError::Chunks(_) | RequestError::Framing(_) | RequestError::Parameter(_) => RefusalKind::Malformed,
        }
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotNow(not_now) => not_now.refusal,
            error => Refusal::new(error.kind(), error.to_string()),
        }
    }
}
