//! Sends OTLP requests over a few connections, one in flight on each, in 16 KiB frames.

use crate::traffic::{Request, Rng};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    cell::RefCell,
    error::Error,
    io::Write,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const FRAME: usize = 16 << 10;
/// Different requests kept; each is renewed before it is sent again.
const KEPT: usize = 16;

/// What is sent where.
#[derive(Clone)]
pub struct Options {
    address: String,
    spans: u32,
    requests: u64,
    connections: u64,
    gzip: bool,
    attacks: f64,
    /// Spans a second over all connections; 0 = as fast as answers come.
    rate: f64,
}

impl Options {
    fn attacked(&self, number: u64) -> bool {
        (number as f64 * self.attacks).fract() + self.attacks >= 1.0
    }

    pub fn parse(words: &[String]) -> Self {
        let value = |name: &str, default: f64| {
            words
                .iter()
                .position(|w| w == name)
                .and_then(|at| words.get(at + 1))
                .and_then(|w| w.parse().ok())
                .unwrap_or(default)
        };
        Self {
            address: words.first().cloned().unwrap_or_default(),
            spans: value("--spans", 512.0) as u32,
            requests: value("--requests", 2000.0) as u64,
            connections: value("--connections", 4.0) as u64,
            gzip: words.iter().any(|w| w == "--gzip"),
            attacks: value("--attacks", 0.01),
            rate: value("--rate", 0.0),
        }
    }
}

/// When dumped requests begin, ns, and how much later each span is than the one before: 10,000 a second.
const FIRST: u64 = 1_760_000_000_000_000_000;
const APART: u64 = 100_000;

/// Writes requests to `FOLDER/N.pb`.
pub fn dump(words: &[String]) -> Result<(), Box<dyn Error>> {
    let options = Options::parse(words);
    let mut rng = Rng(7);
    for number in 0..options.requests {
        let mut request = Request::new(&mut rng, options.spans, options.attacked(number));
        let spans = number * u64::from(options.spans);
        request.renew(&mut rng, FIRST + spans * APART);
        std::fs::write(format!("{}/{number}.pb", options.address), &request.bytes)?;
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    latencies: Vec<f64>,
    failed: u64,
    spans: u64,
}

/// Runs to the end and prints one JSON object: spans, failed requests, seconds, latency percentiles in milliseconds.
pub async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let local = tokio::task::LocalSet::new();
    let start = Instant::now();
    let all = (0..options.connections)
        .map(|i| local.spawn_local(connection(options.clone(), i, seen.clone())))
        .collect::<Vec<_>>();
    local
        .run_until(async {
            for one in all {
                if let Err(e) = one.await {
                    eprintln!("{e}")
                }
            }
        })
        .await;
    let seconds = start.elapsed().as_secs_f64();
    let mut seen = seen.borrow_mut();
    seen.latencies.sort_by(f64::total_cmp);
    let at = |q: f64| {
        seen.latencies
            .get(((seen.latencies.len() as f64 - 1.0) * q) as usize)
            .copied()
            .unwrap_or(0.0)
    };
    println!(
        "{}",
        serde_json::json!({"spans": seen.spans, "failed": seen.failed, "seconds": seconds, "p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
    );
    Ok(())
}

async fn connection(options: Options, number: u64, seen: Rc<RefCell<Seen>>) {
    if let Err(error) = drive(&options, number, &seen).await {
        eprintln!("connection {number}: {error}");
        seen.borrow_mut().failed += 1;
    }
}

async fn drive(options: &Options, number: u64, seen: &RefCell<Seen>) -> Result<(), Box<dyn Error>> {
    let socket = tokio::net::TcpStream::connect(&options.address).await?;
    socket.set_nodelay(true)?;
    let (mut client, io) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .handshake::<_, Bytes>(socket)
        .await?;
    tokio::task::spawn_local(async move {
        let _ = io.await;
    });
    let mut rng = Rng(0x9E37_79B9_7F4A_7C15 ^ (number + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let mut plain: Vec<Request> = (0..KEPT)
        .map(|_| Request::new(&mut rng, options.spans, false))
        .collect();
    let mut attack;
    let share = options.requests / options.connections;
    let pace = if options.rate > 0.0 {
        Duration::from_secs_f64(
            f64::from(options.spans) * options.connections as f64 / options.rate,
        )
    } else {
        Duration::ZERO
    };
    let mut due = Instant::now() + pace.mul_f64(number as f64 / options.connections as f64);
    for i in 0..share {
        if pace > Duration::ZERO {
            tokio::time::sleep_until(due.into()).await;
            due += pace;
        }
        let attacked = options.attacked(i);
        let request = if attacked {
            attack = Request::new(&mut rng, options.spans, true);
            &mut attack
        } else {
            &mut plain[i as usize % KEPT]
        };
        request.renew(
            &mut rng,
            SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
        );
        let body = framed(&request.bytes, options.gzip)?;
        let started = Instant::now();
        let ok = call(&mut client, &options.address, body, options.gzip).await?;
        let mut seen = seen.borrow_mut();
        seen.latencies.push(started.elapsed().as_secs_f64() * 1e3);
        seen.failed += u64::from(!ok);
        seen.spans += u64::from(request.spans);
    }
    Ok(())
}

fn framed(bytes: &[u8], gzip: bool) -> std::io::Result<Bytes> {
    let mut out = vec![u8::from(gzip), 0, 0, 0, 0];
    if gzip {
        let mut encoder = GzEncoder::new(&mut out, Compression::new(1));
        encoder.write_all(bytes)?;
        encoder.finish()?;
    } else {
        out.extend_from_slice(bytes);
    }
    let length = (out.len() - 5) as u32;
    out[1..5].copy_from_slice(&length.to_be_bytes());
    Ok(out.into())
}

async fn call(
    client: &mut h2::client::SendRequest<Bytes>,
    address: &str,
    mut body: Bytes,
    gzip: bool,
) -> Result<bool, Box<dyn Error>> {
    let mut request = http::Request::post(format!(
        "http://{address}/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    ))
    .version(http::Version::HTTP_2)
    .header("content-type", "application/grpc")
    .header("te", "trailers");
    if gzip {
        request = request.header("grpc-encoding", "gzip");
    }
    *client = client.clone().ready().await?;
    let (response, mut stream) = client.send_request(request.body(())?, false)?;
    while !body.is_empty() {
        let want = body.len().min(FRAME);
        stream.reserve_capacity(want);
        while stream.capacity() == 0 {
            // None: the server has ended the stream, and its answer says why.
            let Some(granted) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                return answered(response.await?).await;
            };
            granted?;
        }
        let chunk = body.split_to(stream.capacity().min(want));
        stream.send_data(chunk, body.is_empty())?;
    }
    answered(response.await?).await
}

/// Reads a reply to its end: whether it says success.
async fn answered(response: http::Response<h2::RecvStream>) -> Result<bool, Box<dyn Error>> {
    let mut reply = response.into_body();
    while let Some(chunk) = reply.data().await {
        let size = chunk?.len();
        let _ = reply.flow_control().release_capacity(size);
    }
    let trailers = reply.trailers().await?;
    Ok(trailers.is_some_and(|t| t.get("grpc-status").is_some_and(|s| s == "0")))
}
