//! The face of apisec-io: handles of requests, servers and exporters; no payload becomes a Python object.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use apisec_io::{
    admit::{Route, Routes},
    config::{ExporterConfig, IoConfig, ServerConfig},
    export,
    merge::Outgoing,
    otlp::{Code, Signal},
    reply::{Reason, Refusal, Reply},
    request, runtime,
};
use bytes::Bytes;
use pyo3::{
    exceptions::{PyOSError, PyRuntimeError, PyValueError},
    prelude::*,
    types::PyDict,
};
use serde::de::DeserializeOwned;

use apisec_core::{codec::Member, hash::Hasher};

use crate::batch::{SpanBatch, Vocabulary};
use crate::detach::detached;

#[path = "io_codec.rs"]
mod codec;
#[path = "io_loops.rs"]
mod loops;

/// A time, as the binding takes them: seconds.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn parse<T: DeserializeOwned>(config: &str) -> PyResult<T> {
    serde_json::from_str(config).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn raised(error: std::io::Error) -> PyErr {
    match error.kind() {
        std::io::ErrorKind::InvalidInput => PyValueError::new_err(error.to_string()),
        _ => match error.raw_os_error() {
            Some(number) => PyOSError::new_err((number, error.to_string())),
            None => PyOSError::new_err(error.to_string()),
        },
    }
}

fn signal(name: &str) -> PyResult<Signal> {
    Signal::named(name).ok_or_else(|| {
        PyValueError::new_err(format!("{name:?} is no signal: traces, logs or metrics"))
    })
}

/// One received request, waiting for its reply. Dropped without one, it is refused as retryable.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Request {
    /// The request itself, for the codec's binding.
    pub inner: Arc<request::Request>,
}

#[pymethods]
impl Request {
    #[getter]
    fn id(&self) -> u64 {
        self.inner.id
    }

    #[getter]
    fn signal(&self) -> &'static str {
        self.inner.signal.name()
    }

    #[getter]
    fn transport(&self) -> &'static str {
        self.inner.transport.name()
    }

    #[getter]
    fn receiver(&self) -> &str {
        &self.inner.receiver
    }

    #[getter]
    fn spans(&self) -> u32 {
        self.inner.spans
    }

    #[getter]
    fn wire_bytes(&self) -> usize {
        self.inner.original.bytes.len()
    }

    #[getter]
    fn received(&self) -> u64 {
        self.inner.received_ns
    }

    #[getter]
    fn remaining(&self) -> Option<f64> {
        self.inner.deadline.map(|deadline| {
            deadline
                .saturating_duration_since(Instant::now())
                .as_secs_f64()
        })
    }

    #[getter]
    fn headers(&self) -> Vec<(String, String)> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        self.inner
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect()
    }

    /// Answers success, or a partial success when something is said.
    #[pyo3(signature = (rejected=0, message=""))]
    fn accept(&self, rejected: i64, message: &str) {
        let plain = rejected == 0 && message.is_empty();
        self.inner.answer(if plain {
            Reply::Accepted
        } else {
            Reply::Partial {
                rejected,
                message: message.to_owned(),
            }
        });
    }

    /// Refuses it; by default UNAVAILABLE / 503 with a second's delay.
    #[pyo3(signature = (message, code=14, retry_after=Some(1.0)))]
    fn refuse(&self, message: &str, code: u8, retry_after: Option<f64>) {
        let refusal = Refusal::passed(Code(code), message, retry_after.map(duration));
        self.inner.answer(Reply::Refused(Refusal {
            reason: Reason::Engine,
            ..refusal
        }));
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.inner)
    }
}

/// One backend.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Exporter {
    /// The exporter itself.
    pub inner: export::Exporter,
}

#[pymethods]
impl Exporter {
    #[getter]
    fn name(&self) -> String {
        self.inner.name().to_string()
    }

    /// Another minute: what was last delivered ten of them ago is not known any more.
    fn turn(&self) {
        self.inner.delivered().turn();
    }

    /// Bytes held to know what was delivered.
    #[getter]
    fn delivered_bytes(&self) -> usize {
        self.inner.delivered().bytes()
    }
}

/// One running receiver.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Server(runtime::Server);

#[pymethods]
impl Server {
    #[getter]
    fn addresses<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let addresses = PyDict::new(py);
        for (transport, address) in self.0.addresses() {
            addresses.set_item(transport.name(), address.to_string())?;
        }
        Ok(addresses)
    }

    fn begin_drain(&self) {
        self.0.begin_drain();
    }

    #[pyo3(signature = (timeout=10.0))]
    fn drain(&self, py: Python<'_>, timeout: f64) -> bool {
        py.detach(|| self.0.drain(duration(timeout)))
    }
}

/// Name, owner, transport, signal, reason, count.
type Count = (
    &'static str,
    String,
    &'static str,
    &'static str,
    &'static str,
    u64,
);
/// Token, exporter, signal, code, message, delay, said for the first time that the signal is not taken.
type Fate = (u64, String, &'static str, u8, String, Option<f64>, bool);

/// The I/O thread and all that lives on it.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Io {
    running: Mutex<Option<Arc<runtime::Io>>>,
    hasher: Arc<Hasher>,
}

impl Io {
    fn get(&self) -> PyResult<Arc<runtime::Io>> {
        let io = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        io.clone()
            .ok_or_else(|| PyRuntimeError::new_err("this Io is closed"))
    }
}

#[pymethods]
impl Io {
    #[new]
    fn new(config: &str, vocabulary: &Vocabulary) -> PyResult<Io> {
        let config: IoConfig = parse(config)?;
        let codec = codec::codec(vocabulary.vocabulary.clone(), vocabulary.hasher.clone());
        let io = runtime::Io::start(config, codec).map_err(raised)?;
        Ok(Io {
            running: Mutex::new(Some(Arc::new(io))),
            hasher: vocabulary.hasher.clone(),
        })
    }

    /// Checks an exporter's settings; it connects at its first message.
    fn exporter(&self, config: &str) -> PyResult<Exporter> {
        let config: ExporterConfig = parse(config)?;
        let inner = self.get()?.exporter(config).map_err(raised)?;
        Ok(Exporter { inner })
    }

    /// Binds a receiver. `engine`: the signals that `pull` gives, and the exporter that takes them when the
    /// engine stalls. `direct`: the signals that go to an exporter byte for byte. Others are not served.
    #[pyo3(signature = (config, engine, direct))]
    fn server(
        &self,
        py: Python<'_>,
        config: &str,
        engine: Bound<'_, PyDict>,
        direct: Bound<'_, PyDict>,
    ) -> PyResult<Server> {
        let config: ServerConfig = parse(config)?;
        let mut routes: Routes = [None, None, None];
        for (name, fallback) in engine.iter() {
            let fallback: Option<PyRef<'_, Exporter>> = fallback.extract()?;
            let route = Route::Engine(fallback.map(|exporter| exporter.inner.clone()));
            routes[signal(name.extract()?)?.index()] = Some(route);
        }
        for (name, exporter) in direct.iter() {
            let exporter: PyRef<'_, Exporter> = exporter.extract().map_err(PyErr::from)?;
            routes[signal(name.extract()?)?.index()] = Some(Route::Direct(exporter.inner.clone()));
        }
        let io = self.get()?;
        py.detach(|| io.server(config, routes))
            .map(Server)
            .map_err(raised)
    }

    /// A receiver whose three signals go straight to one exporter: what a benchmark compares with.
    fn passthrough(&self, py: Python<'_>, config: &str, exporter: &Exporter) -> PyResult<Server> {
        let config: ServerConfig = parse(config)?;
        let io = self.get()?;
        let route = || Some(Route::Direct(exporter.inner.clone()));
        py.detach(|| io.server(config, [route(), route(), route()]))
            .map(Server)
            .map_err(raised)
    }

    /// All requests that wait, in order of arrival; waits for the first without the GIL.
    #[pyo3(signature = (max_requests=1024, max_spans=131_072, wait=0.1))]
    fn pull(
        &self,
        py: Python<'_>,
        max_requests: usize,
        max_spans: usize,
        wait: f64,
    ) -> PyResult<Vec<Request>> {
        let io = self.get()?;
        let pulled = py.detach(|| {
            io.core()
                .mailbox
                .pull(max_requests, max_spans, duration(wait))
        });
        Ok(pulled.into_iter().map(|inner| Request { inner }).collect())
    }

    /// Sends requests on, merged where they may be; the backend's answer is the reply of each.
    /// `payloads`: protobuf in place of what came; None, there or for all: as it came.
    #[pyo3(signature = (exporter, requests, payloads=None))]
    fn push(
        &self,
        py: Python<'_>,
        exporter: &Exporter,
        requests: Vec<PyRef<'_, Request>>,
        payloads: Option<Vec<Option<Vec<u8>>>>,
    ) -> PyResult<()> {
        let mut payloads = payloads.unwrap_or_default();
        if !payloads.is_empty() && payloads.len() != requests.len() {
            return Err(PyValueError::new_err(format!(
                "{} payloads for {} requests",
                payloads.len(),
                requests.len()
            )));
        }
        payloads.resize(requests.len(), None);
        let pairs = requests.iter().zip(payloads);
        let outgoing = pairs
            .map(|(request, payload)| Outgoing {
                request: request.inner.clone(),
                payload: payload.map(Bytes::from),
                same: false,
                withheld: 0,
            })
            .collect();
        drop(requests);
        py.detach(|| exporter.inner.push(outgoing));
        Ok(())
    }

    /// Sends on the requests that a batch was made of; what is written on it leaves with them. With `withhold` the spans that this
    /// exporter's backend has acknowledged before are answered and not sent. Spans looked at (a sample unless `withhold`), those
    /// acknowledged before, those withheld.
    #[pyo3(signature = (exporter, requests, batch, withhold=false))]
    fn push_batch(
        &self,
        py: Python<'_>,
        exporter: &Exporter,
        requests: Vec<PyRef<'_, Request>>,
        batch: &SpanBatch,
        withhold: bool,
    ) -> PyResult<loops::Counts> {
        let requests: Vec<_> = requests
            .iter()
            .map(|request| request.inner.clone())
            .collect();
        detached(py, || {
            let outgoing = outgoing(requests, batch)?;
            let (outgoing, counts) = if withhold {
                loops::sift(&exporter.inner, &self.hasher, outgoing)
            } else {
                let counts = loops::watch(&exporter.inner, &outgoing);
                (outgoing, counts)
            };
            exporter.inner.push(outgoing);
            Ok::<_, PyErr>(counts)
        })
    }

    /// Sends findings and forgets; a token for `drain_results`, or None when the outbox is full.
    fn send(&self, exporter: &Exporter, signal: &str, data: &[u8]) -> PyResult<Option<u64>> {
        let kind = self::signal(signal)?;
        let io = self.get()?;
        Ok(io
            .core()
            .outbox
            .send(&exporter.inner, kind, Bytes::copy_from_slice(data)))
    }

    /// What became of what was sent, since the last call; code 0 = taken.
    fn drain_results(&self) -> PyResult<Vec<Fate>> {
        Ok(self
            .get()?
            .core()
            .outbox
            .drain()
            .into_iter()
            .map(fate)
            .collect())
    }

    /// All counters.
    fn counters(&self) -> PyResult<Vec<Count>> {
        let read = self.get()?.core().counters.read();
        Ok(read
            .into_iter()
            .map(|(key, count)| {
                (
                    key.name,
                    key.owner.to_string(),
                    key.transport,
                    key.signal,
                    key.reason,
                    count,
                )
            })
            .collect())
    }

    #[getter]
    fn in_flight_bytes(&self) -> PyResult<usize> {
        Ok(self.get()?.core().flight.used())
    }

    #[getter]
    fn connections(&self) -> PyResult<usize> {
        Ok(self.get()?.core().connections.used())
    }

    /// Requests that wait for the engine.
    #[getter]
    fn waiting(&self) -> PyResult<usize> {
        Ok(self.get()?.core().mailbox.len())
    }

    /// Findings on their way.
    #[getter]
    fn outbox(&self) -> PyResult<usize> {
        Ok(self.get()?.core().outbox.waiting())
    }

    /// Ends the thread and cuts what is open.
    fn close(&self, py: Python<'_>) {
        let io = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        py.detach(|| drop(io));
    }
}

/// The requests of a batch as they are to leave.
fn outgoing(requests: Vec<Arc<request::Request>>, batch: &SpanBatch) -> PyResult<Vec<Outgoing>> {
    let encoded = batch.encoded()?;
    if encoded.len() != requests.len() {
        let text = format!(
            "{} requests in a batch of {}",
            requests.len(),
            encoded.len()
        );
        return Err(PyValueError::new_err(text));
    }
    let pairs = requests.into_iter().zip(encoded);
    let outgoing = pairs.map(|(request, (bytes, same))| Outgoing {
        same: same && !request.original.json,
        request,
        payload: Some(bytes),
        withheld: 0,
    });
    Ok(outgoing.collect())
}

fn fate(outcome: apisec_io::outbox::Outcome) -> Fate {
    let (code, message, delay) = match outcome.reply {
        Reply::Accepted => (0, String::new(), None),
        Reply::Partial { message, .. } => (0, message, None),
        Reply::Refused(refusal) => (
            refusal.code.0,
            refusal.message,
            refusal.retry_after.map(|delay| delay.as_secs_f64()),
        ),
    };
    (
        outcome.token,
        outcome.exporter.to_string(),
        outcome.signal.name(),
        code,
        message,
        delay,
        outcome.unsupported,
    )
}

/// Why `endpoint` must not be listened on in plain text; None when it may, or when it is a name.
#[pyfunction]
fn exposed(endpoint: &str) -> Option<String> {
    let whole = if endpoint.starts_with(':') {
        format!("[::]{endpoint}")
    } else {
        endpoint.to_owned()
    };
    apisec_io::exposed(endpoint, whole.parse().ok()?, false, false)
}

/// The batch of requests that were pulled together, one member each; decoded already.
#[pyfunction]
fn batch(requests: Vec<PyRef<'_, Request>>) -> SpanBatch {
    let member = |request: &PyRef<'_, Request>| {
        codec::take(&request.inner).map_or_else(Member::empty, |(member, _)| member)
    };
    SpanBatch::from_members(requests.iter().map(member).collect())
}

/// Adds this file's classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Io>()?;
    module.add_class::<Server>()?;
    module.add_class::<Exporter>()?;
    module.add_class::<Request>()?;
    module.add_function(wrap_pyfunction!(batch, module)?)?;
    module.add_function(wrap_pyfunction!(exposed, module)?)
}
