//! What a backend's answer means, over either protocol.

use std::time::{Duration, SystemTime};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, header};

use crate::{
    answer::percent_decode,
    channel::{Answered, RESPONSE},
    compress::{Encoding, decompress},
    connect::unreachable,
    otlp::Code,
    reply::{Refusal, Reply},
    wire,
};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn binary(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    BASE64.decode(headers.get(name)?.as_bytes()).ok()
}

fn accepted(partial: Option<(i64, String)>) -> Reply {
    partial.map_or(Reply::Accepted, |(rejected, message)| Reply::Partial {
        rejected,
        message,
    })
}

/// A gRPC answer; what is none becomes retryable.
pub fn grpc(backend: &str, answered: &Answered) -> Reply {
    let nonsense = |what: String| Reply::Refused(unreachable(backend, what));
    let trailers = answered.trailers.as_ref().unwrap_or(&answered.head.headers);
    let Some(status) = trailers.get("grpc-status") else {
        return of_plain_http(backend, answered.head.status.as_u16());
    };
    let Some(code) = status
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u8>().ok())
        .filter(|code| *code <= 16)
    else {
        return nonsense(format!("grpc-status {status:?} is none"));
    };
    if code != 0 {
        return Reply::Refused(grpc_refusal(Code(code), trailers));
    }
    match message(&answered.body, &answered.head.headers) {
        Some(message) => accepted(wire::read_partial(&message)),
        None => nonsense("the answer holds no message".into()),
    }
}

fn grpc_refusal(code: Code, trailers: &HeaderMap) -> Refusal {
    let (_, delay) = binary(trailers, "grpc-status-details-bin")
        .map(|bytes| wire::read_status(&bytes))
        .unwrap_or_default();
    let delay =
        delay.or_else(|| wire::read_retry_info(&binary(trailers, "google.rpc.retryinfo-bin")?));
    let message = trailers
        .get("grpc-message")
        .map(|text| percent_decode(text.as_bytes()))
        .unwrap_or_default();
    Refusal::passed(code, message, delay)
}

/// An HTTP status where gRPC was expected: a proxy's word, by gRPC's own table, but never lost for nonsense.
fn of_plain_http(backend: &str, status: u16) -> Reply {
    let code = match status {
        400 => Code::INTERNAL,
        401 => Code::UNAUTHENTICATED,
        403 => Code::PERMISSION_DENIED,
        404 => Code::UNIMPLEMENTED,
        _ => {
            return Reply::Refused(unreachable(
                backend,
                format!("HTTP status {status} instead of a gRPC answer"),
            ));
        }
    };
    Reply::Refused(Refusal::passed(
        code,
        format!("backend {backend}: HTTP status {status}"),
        None,
    ))
}

fn message(body: &bytes::Bytes, headers: &HeaderMap) -> Option<bytes::Bytes> {
    let prefix = body.first_chunk::<5>()?;
    let len = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if body.len() != len + 5 {
        return None;
    }
    let message = body.slice(5..);
    if prefix[0] == 0 {
        return Some(message);
    }
    let encoding = Encoding::named(headers.get("grpc-encoding")?.to_str().ok()?)?;
    decompress(encoding, &message, RESPONSE).ok()
}

/// The delay of a Retry-After: seconds, or an HTTP date; at most an hour.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let delay = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds.min(3600)),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(SystemTime::now())
            .unwrap_or_default(),
    };
    Some(delay.min(Duration::from_secs(3600)))
}

/// An OTLP/HTTP answer.
pub fn http(backend: &str, answered: &Answered) -> Reply {
    let (status, headers) = (answered.head.status.as_u16(), &answered.head.headers);
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let json = kind.starts_with("application/json");
    let protobuf = kind.starts_with("application/x-protobuf");
    let body = body(answered).unwrap_or_default();
    if (200..300).contains(&status) {
        let partial = if json {
            partial_of_json(&body)
        } else {
            wire::read_partial(&body).filter(|_| protobuf)
        };
        return accepted(partial);
    }
    let code = Code::of_http(status);
    let said = if json {
        message_of_json(&body)
    } else if protobuf {
        wire::read_status(&body).0
    } else {
        None
    };
    let message = said.unwrap_or_else(|| format!("backend {backend}: HTTP status {status}"));
    let mut delay = retry_after(headers).filter(|_| matches!(status, 429 | 503));
    if status == 429 {
        // Over HTTP 429 may be sent again; over gRPC only with a delay.
        delay = delay.or(Some(Duration::from_secs(1)));
    }
    let mut refusal = Refusal::passed(code, message, delay);
    if status == 413 {
        refusal.http = 413;
    }
    Reply::Refused(refusal)
}

fn body(answered: &Answered) -> Option<bytes::Bytes> {
    let Some(encoding) = answered.head.headers.get(header::CONTENT_ENCODING) else {
        return Some(answered.body.clone());
    };
    decompress(
        Encoding::named(encoding.to_str().ok()?)?,
        &answered.body,
        RESPONSE,
    )
    .ok()
}

fn message_of_json(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    value.get("message")?.as_str().map(str::to_owned)
}

fn partial_of_json(body: &[u8]) -> Option<(i64, String)> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = value.get("partialSuccess")?;
    let count = ["rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"]
        .iter()
        .find_map(|name| partial.get(name));
    let rejected = count.map_or(0, |count| {
        count
            .as_i64()
            .or_else(|| count.as_str()?.parse().ok())
            .unwrap_or(0)
    });
    let message = partial
        .get("errorMessage")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    (rejected != 0 || !message.is_empty()).then_some((rejected, message))
}
