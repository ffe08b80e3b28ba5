//! Replies as HTTP responses: gRPC trailers, OTLP/HTTP bodies in the request's encoding.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use crate::{
    otlp::Signal,
    reply::{Refusal, Reply},
    wire,
};

/// The body of a reply: at most one piece of data, then at most one set of trailers.
#[derive(Debug, Default)]
pub struct Answer {
    data: Option<Bytes>,
    trailers: Option<Box<HeaderMap>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(*trailers))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// opentelemetry-python reads RetryInfo from here, Go and Java from the details.
const RETRY_INFO: HeaderName = HeaderName::from_static("google.rpc.retryinfo-bin");
/// The longest message that is put in a header.
const LONGEST: usize = 1024;

/// A message as `grpc-message` wants it: percent-encoded beyond printable ASCII.
pub fn percent_encode(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes().take(LONGEST) {
        if (0x20..0x7f).contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The inverse of `percent_encode`, forgiving.
pub fn percent_decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| tail.get(..2)).flatten();
        let value =
            escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(value.unwrap_or(byte));
        rest = if value.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Base64 as gRPC writes binary headers.
fn binary(value: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&STANDARD_NO_PAD.encode(value)).ok()
}

fn grpc_response(answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

/// A reply over gRPC.
pub fn grpc(reply: &Reply) -> Response<Answer> {
    let message = match reply {
        Reply::Accepted => wire::framed(&[]),
        Reply::Partial { rejected, message } => wire::framed(&wire::partial(*rejected, message)),
        Reply::Refused(refusal) => return grpc_refusal(refusal),
    };
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    grpc_response(Answer {
        data: Some(message),
        trailers: Some(Box::new(trailers)),
    })
}

fn grpc_refusal(refusal: &Refusal) -> Response<Answer> {
    let mut response = grpc_response(Answer::default());
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from(u16::from(refusal.code.0)));
    if let Ok(message) = HeaderValue::from_str(&percent_encode(&refusal.message)) {
        headers.insert(MESSAGE, message);
    }
    if let Some(delay) = refusal.retry_after {
        let shown: String = refusal.message.chars().take(LONGEST).collect();
        let details = binary(&wire::status(refusal.code.0, &shown, Some(delay)));
        let info = binary(&wire::retry_info(delay));
        for (name, value) in [(DETAILS, details), (RETRY_INFO, info)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// A reply over HTTP, in JSON or protobuf.
pub fn http(signal: Signal, json: bool, reply: &Reply) -> Response<Answer> {
    let body = match reply {
        Reply::Accepted if json => Bytes::from_static(b"{}"),
        Reply::Accepted => Bytes::new(),
        Reply::Partial { rejected, message } if json => partial_json(signal, *rejected, message),
        Reply::Partial { rejected, message } => wire::partial(*rejected, message).into(),
        Reply::Refused(refusal) => return http_refusal(json, refusal),
    };
    http_response(StatusCode::OK, json, body)
}

fn partial_json(signal: Signal, rejected: i64, message: &str) -> Bytes {
    let value = serde_json::json!({"partialSuccess": {signal.rejected(): rejected.to_string(), "errorMessage": message}});
    value.to_string().into()
}

fn http_response(status: StatusCode, json: bool, body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer {
        data: Some(body).filter(|body| !body.is_empty()),
        trailers: None,
    });
    *response.status_mut() = status;
    let kind = if json {
        "application/json"
    } else {
        "application/x-protobuf"
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A refusal over HTTP: google.rpc.Status in JSON or protobuf, and Retry-After.
pub fn http_refusal(json: bool, refusal: &Refusal) -> Response<Answer> {
    let (code, delay) = (refusal.body_code.0, refusal.retry_after);
    let body = if json {
        status_json(code, &refusal.message, delay)
    } else {
        wire::status(code, &refusal.message, delay).into()
    };
    let status = StatusCode::from_u16(refusal.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http_response(status, json, body);
    if let Some(delay) = delay {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

fn status_json(code: u8, message: &str, delay: Option<Duration>) -> Bytes {
    let mut value = serde_json::json!({"code": code, "message": message});
    if let Some(delay) = delay {
        let shown = format!("{}s", delay.as_secs_f64());
        value["details"] = serde_json::json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": shown}]);
    }
    value.to_string().into()
}

/// A reply of plain text, for what is no OTLP request.
pub fn text(status: StatusCode, body: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer {
        data: Some(Bytes::from_static(body.as_bytes())),
        trailers: None,
    });
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_header() {
        for message in ["plain", "50 % of ümläute\n", ""] {
            assert_eq!(percent_decode(percent_encode(message).as_bytes()), message);
        }
        assert_eq!(percent_decode(b"%zz%4"), "%zz%4");
    }
}
