//! What a sender is answered: acceptance, partial success or a refusal with its codes.

use std::time::Duration;

use crate::otlp::Code;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// All taken.
    Accepted,
    /// Taken but for `rejected` items; or taken, with a warning, when it is 0.
    Partial {
        /// Items that were not taken.
        rejected: i64,
        /// What the sender is told.
        message: String,
    },
    /// Not taken.
    Refused(Refusal),
}

/// Why a request is refused; the word goes to counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The bytes are no request.
    Malformed,
    /// The compressed bytes are broken.
    Compression,
    /// An encoding that is not spoken here.
    Encoding,
    /// Too many bytes on the wire or decompressed.
    TooLarge,
    /// Too many spans in one request.
    TooManySpans,
    /// Nested too deep.
    TooDeep,
    /// A JSON body of no bytes.
    Empty,
    /// Bytes in flight are at their limit.
    Pressure,
    /// The body did not come in time.
    SlowBody,
    /// No or wrong credentials.
    Unauthenticated,
    /// Nothing takes this signal, or not in this form.
    Unsupported,
    /// Refused by the engine (memory_limiter).
    Engine,
    /// The engine gave the request up.
    Lost,
    /// The server is stopping.
    Stopping,
    /// The backend refused it.
    Backend,
    /// The backend cannot be reached, or answers nonsense.
    Unreachable,
    /// No answer before the deadline.
    Deadline,
}

impl Reason {
    /// The word in counters.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::Compression => "compression",
            Reason::Encoding => "encoding",
            Reason::TooLarge => "too_large",
            Reason::TooManySpans => "too_many_spans",
            Reason::TooDeep => "too_deep",
            Reason::Empty => "empty",
            Reason::Pressure => "pressure",
            Reason::SlowBody => "slow_body",
            Reason::Unauthenticated => "unauthenticated",
            Reason::Unsupported => "unsupported",
            Reason::Engine => "engine",
            Reason::Lost => "lost",
            Reason::Stopping => "stopping",
            Reason::Backend => "backend",
            Reason::Unreachable => "unreachable",
            Reason::Deadline => "deadline",
        }
    }

    /// gRPC code, HTTP status and the code in an HTTP body, as the Collector answers; 413 as the specification asks.
    fn codes(self) -> (Code, u16, Code) {
        match self {
            Reason::Malformed | Reason::Compression => {
                (Code::INTERNAL, 400, Code::INVALID_ARGUMENT)
            }
            Reason::TooDeep | Reason::Empty => {
                (Code::INVALID_ARGUMENT, 400, Code::INVALID_ARGUMENT)
            }
            Reason::Encoding => (Code::UNIMPLEMENTED, 400, Code::INVALID_ARGUMENT),
            Reason::TooLarge | Reason::TooManySpans => {
                (Code::RESOURCE_EXHAUSTED, 413, Code::RESOURCE_EXHAUSTED)
            }
            Reason::Unauthenticated => (Code::UNAUTHENTICATED, 401, Code::UNAUTHENTICATED),
            Reason::Unsupported => (Code::UNIMPLEMENTED, 415, Code::UNIMPLEMENTED),
            _ => (Code::UNAVAILABLE, 503, Code::UNAVAILABLE),
        }
    }

    /// Reasons that pass: the sender is told when to come again.
    fn delay(self) -> Option<Duration> {
        matches!(
            self,
            Reason::Pressure | Reason::Engine | Reason::Lost | Reason::Stopping
        )
        .then_some(Duration::from_secs(1))
    }
}

/// A refusal with all that either transport needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Why, for counters.
    pub reason: Reason,
    /// gRPC code.
    pub code: Code,
    /// HTTP status.
    pub http: u16,
    /// The code in the body of an HTTP reply.
    pub body_code: Code,
    /// What the sender is told.
    pub message: String,
    /// RetryInfo and Retry-After.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal of our own, with the codes of its reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        let (code, http, body_code) = reason.codes();
        Refusal {
            reason,
            code,
            http,
            body_code,
            message: message.into(),
            retry_after: reason.delay(),
        }
    }

    /// A backend's refusal, passed on.
    pub fn passed(
        code: Code,
        message: impl Into<String>,
        retry_after: Option<Duration>,
    ) -> Refusal {
        Refusal {
            reason: Reason::Backend,
            code,
            http: code.http(),
            body_code: code,
            message: message.into(),
            retry_after,
        }
    }

    /// Whether OTLP lets the sender try again.
    pub fn retryable(&self) -> bool {
        self.code.retryable(self.retry_after.is_some())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason.name(), self.message)
    }
}

impl std::error::Error for Refusal {}
