//! Delivery with end-to-end acknowledgement: the backend's answer is the reply of every member.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use crate::{
    compress::Encoding,
    counters::Key,
    export::{Call, Exporter},
    merge::{Member, Message},
    otlp::Signal,
    reply::{Refusal, Reply},
    request::Request,
    resume::Progress,
};

/// Sends one message and answers its members.
pub async fn deliver(exporter: Exporter, message: Message) {
    if message.oversize(&exporter.rule()) {
        return in_parts(&exporter, message).await;
    }
    let reply = whole(&exporter, &message).await;
    match &reply {
        Reply::Refused(refusal) if !refusal.retryable() && message.members.len() > 1 => {
            for alone in message.alone() {
                let exporter = exporter.clone();
                exporter.runtime().clone().spawn(async move {
                    let reply = whole(&exporter, &alone).await;
                    answer(&exporter, &alone.members, &reply);
                });
            }
        }
        _ => answer(&exporter, &message.members, &reply),
    }
}

/// The shortest deadline of the members.
fn by(exporter: &Exporter, members: &[Member]) -> Instant {
    let (now, timeout) = (Instant::now(), exporter.config().timeout());
    members
        .iter()
        .map(|member| member.request.export_by(now, timeout))
        .min()
        .unwrap_or(now + timeout)
}

async fn whole(exporter: &Exporter, message: &Message) -> Reply {
    let call = Call {
        signal: message.signal,
        chunks: message
            .members
            .iter()
            .map(|member| member.bytes.clone())
            .collect(),
        encoding: message.encoding,
        json: message.json,
        headers: message
            .members
            .first()
            .map_or_else(|| [].into(), |member| member.request.headers.clone()),
        by: by(exporter, &message.members),
    };
    exporter.call(call).await
}

/// One member gets the backend's word; of several nobody knows whose items were rejected.
fn answer(exporter: &Exporter, members: &[Member], reply: &Reply) {
    for member in members {
        count(
            exporter,
            member.request.signal,
            u64::from(member.spans),
            reply,
        );
        let said = match reply {
            Reply::Partial { message, .. } if members.len() > 1 => Reply::Partial {
                rejected: 0,
                message: message.clone(),
            },
            reply => reply.clone(),
        };
        told(exporter, &member.request, said);
    }
}

/// Answers a sender, and remembers what it has been told is delivered: nothing that may be missing in part, or of which it did not hear.
fn told(exporter: &Exporter, request: &Request, reply: Reply) {
    let whole = reply == Reply::Accepted;
    if request.answer(reply) && whole {
        exporter
            .delivered()
            .add(&request.identities(), request.whom());
    }
}

/// Counts items sent and failed, by exporter and reason.
pub fn count(exporter: &Exporter, signal: Signal, items: u64, reply: &Reply) {
    let (name, reason) = match reply {
        Reply::Refused(refusal) => ("exporter_send_failed_items", refusal.reason.name()),
        _ => ("exporter_sent_items", ""),
    };
    let core = exporter.core();
    core.counters.add(
        Key {
            name,
            owner: exporter.name().clone(),
            transport: "",
            signal: signal.name(),
            reason,
        },
        items,
    );
}

async fn in_parts(exporter: &Exporter, message: Message) {
    for member in message.members {
        let Some((key, parts)) = cut(exporter, &member).await else {
            continue;
        };
        let progress = exporter.resume().take(key);
        let reply = send_parts(exporter, &member.request, key, parts, progress).await;
        told(exporter, &member.request, reply);
    }
}

/// The key of a request and its parts. Hashing and splitting megabytes is work for the pool.
async fn cut(exporter: &Exporter, member: &Member) -> Option<(u64, Vec<(Bytes, u32)>)> {
    let (exporter, member) = (exporter.clone(), member.clone());
    let core = exporter.core().clone();
    core.pool
        .run(move || {
            let rule = exporter.rule();
            // Of what is left when spans are withheld, which at the next try may be less: progress counts spans.
            let known = match member.spans == member.request.spans {
                true => &member.request.original.bytes,
                false => &member.bytes,
            };
            let key = exporter.resume().key(known);
            let split = &exporter.core().codec.split;
            (
                key,
                split(
                    member.request.signal,
                    &member.bytes,
                    rule.max_spans,
                    rule.max_bytes,
                ),
            )
        })
        .await
}

/// Parts go in order: a retryable refusal stops, a permanent one counts and goes on.
async fn send_parts(
    exporter: &Exporter,
    request: &Arc<Request>,
    key: u64,
    parts: Vec<(Bytes, u32)>,
    mut done: Progress,
) -> Reply {
    let by = request.export_by(Instant::now(), exporter.config().timeout());
    let (mut passed, mut taken) = (0, done.spans > 0);
    let mut last: Option<Refusal> = None;
    for (bytes, spans) in parts {
        passed += spans;
        if passed <= done.spans {
            continue;
        }
        let headers = request.headers.clone();
        let call = Call {
            signal: request.signal,
            chunks: vec![bytes],
            encoding: Encoding::Identity,
            json: false,
            headers,
            by,
        };
        let reply = exporter.call(call).await;
        count(exporter, request.signal, u64::from(spans), &reply);
        match reply {
            Reply::Refused(refusal) if refusal.retryable() => {
                exporter.resume().put(key, done);
                return Reply::Refused(refusal);
            }
            Reply::Refused(refusal) => {
                done.rejected += i64::from(spans);
                done.message.clone_from(&refusal.message);
                last = Some(refusal);
            }
            Reply::Partial { rejected, message } => {
                taken = true;
                done.rejected += rejected;
                done.message = message;
            }
            Reply::Accepted => taken = true,
        }
        done.spans = passed;
    }
    match last {
        Some(refusal) if !taken => Reply::Refused(refusal),
        _ if done.rejected != 0 || !done.message.is_empty() => Reply::Partial {
            rejected: done.rejected,
            message: done.message,
        },
        _ => Reply::Accepted,
    }
}
