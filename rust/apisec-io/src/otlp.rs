//! Names that OTLP fixes: signals, paths, media types and gRPC codes.

/// One kind of telemetry; each has its own service, path and pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metric points.
    Metrics,
}

impl Signal {
    /// Every signal, in the order of `index`.
    pub const ALL: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

    /// Position in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word in configuration and counters.
    pub fn name(self) -> &'static str {
        ["traces", "logs", "metrics"][self.index()]
    }

    /// The signal of a configuration word.
    pub fn named(name: &str) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// Full gRPC service name.
    pub fn service(self) -> &'static str {
        [
            "opentelemetry.proto.collector.trace.v1.TraceService",
            "opentelemetry.proto.collector.logs.v1.LogsService",
            "opentelemetry.proto.collector.metrics.v1.MetricsService",
        ][self.index()]
    }

    /// Default HTTP path.
    pub fn path(self) -> &'static str {
        ["/v1/traces", "/v1/logs", "/v1/metrics"][self.index()]
    }

    /// JSON name of the count in a partial success.
    pub fn rejected(self) -> &'static str {
        ["rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"][self.index()]
    }

    /// What the count in a partial success counts.
    pub fn items(self) -> &'static str {
        ["spans", "log_records", "metric_points"][self.index()]
    }
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// gRPC over HTTP/2.
    Grpc,
    /// OTLP over HTTP/1.1 or HTTP/2.
    Http,
}

impl Transport {
    /// The word in counters.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Grpc => "grpc",
            Transport::Http => "http",
        }
    }
}

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

impl Code {
    /// Success.
    pub const OK: Code = Code(0);
    /// Given up by the caller.
    pub const CANCELLED: Code = Code(1);
    /// No further class.
    pub const UNKNOWN: Code = Code(2);
    /// Bad data.
    pub const INVALID_ARGUMENT: Code = Code(3);
    /// Too late.
    pub const DEADLINE_EXCEEDED: Code = Code(4);
    /// Not allowed.
    pub const PERMISSION_DENIED: Code = Code(7);
    /// Too large, or out of quota when it comes with a delay.
    pub const RESOURCE_EXHAUSTED: Code = Code(8);
    /// Aborted.
    pub const ABORTED: Code = Code(10);
    /// Out of range.
    pub const OUT_OF_RANGE: Code = Code(11);
    /// No such service or encoding.
    pub const UNIMPLEMENTED: Code = Code(12);
    /// Broken.
    pub const INTERNAL: Code = Code(13);
    /// Try again.
    pub const UNAVAILABLE: Code = Code(14);
    /// Lost.
    pub const DATA_LOSS: Code = Code(15);
    /// Who are you?
    pub const UNAUTHENTICATED: Code = Code(16);

    /// Whether OTLP lets a client send again; RESOURCE_EXHAUSTED only with a delay.
    pub fn retryable(self, delayed: bool) -> bool {
        matches!(self.0, 1 | 4 | 10 | 11 | 14 | 15) || (self == Code::RESOURCE_EXHAUSTED && delayed)
    }

    /// The HTTP status that the Collector answers for this code.
    pub fn http(self) -> u16 {
        match self.0 {
            0 => 200,
            1 | 4 | 10 | 11 | 14 | 15 => 503,
            8 => 429,
            3 => 400,
            16 => 401,
            7 => 403,
            12 => 404,
            _ => 500,
        }
    }

    /// The code for an HTTP status of a backend (OTLP/HTTP's retryable ones stay retryable).
    pub fn of_http(status: u16) -> Code {
        match status {
            200..=299 => Code::OK,
            400 | 413 => Code::INVALID_ARGUMENT,
            401 => Code::UNAUTHENTICATED,
            403 => Code::PERMISSION_DENIED,
            404 | 405 | 415 => Code::UNIMPLEMENTED,
            429 => Code::RESOURCE_EXHAUSTED,
            502..=504 => Code::UNAVAILABLE,
            _ => Code::UNKNOWN,
        }
    }
}

/// Reads `grpc-timeout`: at most eight digits and a unit.
pub fn timeout(text: &str) -> Option<std::time::Duration> {
    use std::time::Duration;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}
