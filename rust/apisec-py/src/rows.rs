//! What the processors keep of rows: settings and state, one call a batch.

use crate::batch::{SpanBatch, Vocabulary};
use crate::detach::detached;
use crate::snapshot::{self, Shards};
use apisec_core::rows::{coverage, endpoints, links, ranks, requests, sessions, steps};
use apisec_core::table::Metrics;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks; a panic inside was already turned into an error and the state is still whole rows.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse<'a, T: serde::Deserialize<'a>>(settings: &'a str) -> PyResult<T> {
    serde_json::from_str(settings).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Which rows are requests, when they count, where they came from.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Requests(Arc<Mutex<requests::Requests>>);

#[pymethods]
impl Requests {
    #[new]
    fn new(settings: &str, vocabulary: &Vocabulary) -> PyResult<Self> {
        let made = requests::Requests::new(&parse(settings)?, (*vocabulary.hasher).clone());
        Ok(Self(Arc::new(Mutex::new(
            made.map_err(PyValueError::new_err)?,
        ))))
    }

    #[pyo3(signature = (batch, received=None))]
    fn process(&self, py: Python<'_>, batch: &SpanBatch, received: Option<i64>) -> PyResult<()> {
        detached(py, || {
            batch.with_mut(|batch| lock(&self.0).process(batch, received))
        })
    }

    fn remember(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<()> {
        detached(py, || batch.with_mut(|batch| lock(&self.0).remember(batch)))
    }

    fn now(&self) -> i64 {
        lock(&self.0).now()
    }

    fn idle(&self, until: i64) {
        lock(&self.0).idle(until);
    }

    fn is_behind(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<Option<bool>> {
        detached(py, || {
            batch.with_mut(|batch| lock(&self.0).is_behind(batch))
        })
    }

    fn restart(&self) {
        lock(&self.0).restart();
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = lock(&self.0);
        let counts = PyDict::new(py);
        counts.set_item("requests", state.counts.requests)?;
        counts.set_item("repeats", state.counts.repeats)?;
        counts.set_item("repeated_ids", state.counts.repeated_ids)?;
        counts.set_item("late", state.counts.late)?;
        counts.set_item("bytes", state.bytes())?;
        let (merged, waiting) = state.calls();
        counts.set_item("merged", merged)?;
        counts.set_item("call_bytes", waiting)?;
        Ok(counts)
    }

    /// Its state as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }

    /// After the last shard: what was not in them.
    fn loaded(&self) -> PyResult<Vec<String>> {
        snapshot::loaded(&self.0)
    }
}

/// Which endpoint a request hit.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Endpoints(Arc<Mutex<endpoints::Endpoints>>);

#[pymethods]
impl Endpoints {
    #[new]
    fn new(settings: &str, vocabulary: &Vocabulary) -> PyResult<Self> {
        Ok(Self(Arc::new(Mutex::new(endpoints::Endpoints::new(
            parse(settings)?,
            (*vocabulary.hasher).clone(),
        )))))
    }

    fn process(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<()> {
        detached(py, || batch.with_mut(|batch| lock(&self.0).process(batch)))
    }

    fn name(&self, endpoint: u64) -> Option<String> {
        lock(&self.0).name(endpoint).map(str::to_owned)
    }

    fn current(&self, endpoint: u64) -> u64 {
        lock(&self.0).current(endpoint)
    }

    fn overflow(&self) -> u64 {
        lock(&self.0).overflow
    }

    /// merged, evicted and bytes of learned templates.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let endpoints = lock(&self.0);
        let counts = PyDict::new(py);
        counts.set_item("merged", endpoints.merged)?;
        counts.set_item("unknown", endpoints.unknown())?;
        counts.set_item("evicted", endpoints.evicted())?;
        counts.set_item("bytes", endpoints.bytes())?;
        Ok(counts)
    }

    fn __len__(&self) -> usize {
        lock(&self.0).len()
    }

    /// Its state as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }

    /// After the last shard: what was not in them.
    fn loaded(&self) -> PyResult<Vec<String>> {
        snapshot::loaded(&self.0)
    }
}

/// Who asked and in which session.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Sessions(Arc<Mutex<sessions::Sessions>>);

#[pymethods]
impl Sessions {
    #[new]
    fn new(settings: &str, vocabulary: &Vocabulary) -> PyResult<Self> {
        Ok(Self(Arc::new(Mutex::new(sessions::Sessions::new(
            parse(settings)?,
            (*vocabulary.hasher).clone(),
        )))))
    }

    fn process(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<()> {
        detached(py, || batch.with_mut(|batch| lock(&self.0).process(batch)))
    }

    fn ended(&self) -> Vec<(usize, u64)> {
        lock(&self.0).ended()
    }

    fn restart(&self) {
        lock(&self.0).restart();
    }

    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counted(py, lock(&self.0).metrics())
    }

    /// Its state as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }

    /// After the last shard: what was not in them.
    fn loaded(&self) -> PyResult<Vec<String>> {
        snapshot::loaded(&self.0)
    }
}

fn counted(py: Python<'_>, metrics: Metrics) -> PyResult<Bound<'_, PyDict>> {
    let counts = PyDict::new(py);
    counts.set_item("entries", metrics.entries)?;
    counts.set_item("bytes", metrics.bytes)?;
    counts.set_item("evicted", metrics.evicted)?;
    counts.set_item("expired", metrics.expired)?;
    Ok(counts)
}

/// Who is linked with whom.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Links(Arc<Mutex<links::Links>>);

#[pymethods]
impl Links {
    #[new]
    fn new(settings: &str) -> PyResult<Self> {
        Ok(Self(Arc::new(Mutex::new(links::Links::new(parse(
            settings,
        )?)))))
    }

    fn observe(&self, py: Python<'_>, batch: &SpanBatch, start: usize, end: usize) -> PyResult<()> {
        detached(py, || {
            batch.with_mut(|batch| lock(&self.0).observe(batch, start, end))
        })
    }

    fn near(&self, id: u64, now: i64) -> Vec<(u64, f64)> {
        lock(&self.0).near(id, now)
    }

    fn restart(&self) {
        lock(&self.0).restart();
    }

    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counted(py, lock(&self.0).metrics())
    }

    /// Its state as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }
}

/// How suspicious each session is.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Ranks(Arc<Mutex<ranks::Ranks>>);

#[pymethods]
impl Ranks {
    #[new]
    fn new(bytes: u64, least: f64) -> Self {
        Self(Arc::new(Mutex::new(ranks::Ranks::new(bytes, least))))
    }

    /// Takes up what released requests say of their sessions, an f64 a row for each signal, of which the largest counts;
    /// answers for each (session, rows) its rank as of so many of them.
    fn follow(
        &self,
        py: Python<'_>,
        released: Option<&SpanBatch>,
        told: Vec<PyBackedBytes>,
        asked: Vec<(u64, usize)>,
    ) -> PyResult<Vec<f64>> {
        let told: Vec<&[[u8; 8]]> = told.iter().map(|told| told.as_chunks().0).collect();
        let rank = |row: usize| {
            let said = told.iter().filter_map(|told| told.get(row));
            said.map(|rank| f64::from_ne_bytes(*rank))
                .fold(f64::NAN, f64::max)
        };
        let follow =
            |rows: &mut dyn Iterator<Item = (u64, f64)>| lock(&self.0).follow(rows, &asked);
        let Some(released) = released else {
            return Ok(follow(&mut std::iter::empty()));
        };
        detached(py, || {
            released.with_mut(|batch| {
                let sessions = batch.records().map(|record| record.session).enumerate();
                follow(&mut sessions.map(|(row, session)| (session, rank(row))))
            })
        })
    }

    fn restart(&self) {
        lock(&self.0).restart();
    }

    /// Sessions known, and how many went for want of room.
    fn counts(&self) -> (usize, u64) {
        let state = lock(&self.0);
        (state.len(), state.evicted)
    }

    /// Its state as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }
}

/// What each service's requests lack.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Coverage(Mutex<coverage::Coverage>);

#[pymethods]
impl Coverage {
    #[new]
    fn new(settings: &str) -> PyResult<Self> {
        let made = coverage::Coverage::new(parse(settings)?);
        Ok(Self(Mutex::new(made.map_err(PyValueError::new_err)?)))
    }

    fn process(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<()> {
        detached(py, || batch.with_mut(|batch| lock(&self.0).process(batch)))
    }

    fn advance(&self, now: i64) {
        lock(&self.0).advance(now);
    }

    fn now(&self) -> i64 {
        lock(&self.0).now()
    }

    fn overflow(&self) -> u64 {
        lock(&self.0).overflow
    }

    fn services<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let state = lock(&self.0);
        state.services().map(|service| told(py, service)).collect()
    }
}

fn told<'py>(py: Python<'py>, service: &coverage::Service) -> PyResult<Bound<'py, PyDict>> {
    let said = PyDict::new(py);
    said.set_item("name", &service.name)?;
    said.set_item("environment", &service.environment)?;
    said.set_item("requests", service.requests)?;
    said.set_item("asked", service.asked)?;
    said.set_item("missing", &service.missing)?;
    said.set_item("scopes", &service.scopes)?;
    said.set_item("sampled", service.sampled)?;
    said.set_item("represented", service.represented)?;
    said.set_item("last", service.last)?;
    said.set_item("rate", service.rate)?;
    said.set_item("silences", service.silences)?;
    said.set_item("silent_seconds", service.silent_seconds)?;
    said.set_item("silent_at", service.silent_at)?;
    Ok(said)
}

/// Requests held back until those before them have come.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Steps(Arc<Mutex<steps::Steps>>);

/// A batch, and as bytes of u64 and u32 which request each row is and the row before which it was released; requests that
/// were joined with others, and whether some rows were not judged as they came.
type Released<'py> = (
    SpanBatch,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Vec<(u64, u64)>,
    bool,
);

fn released<'py>(
    py: Python<'py>,
    call: impl FnOnce() -> PyResult<steps::Released> + Send,
) -> PyResult<Released<'py>> {
    let (batch, numbers, before, joined, alone) = detached(py, || {
        call().map(|mut released| {
            let numbers = released.numbers.iter().map(|number| number.to_ne_bytes());
            let numbers = numbers.collect::<Vec<_>>().concat();
            let before = released.before.iter().map(|row| row.to_ne_bytes());
            let before = before.collect::<Vec<_>>().concat();
            let joined = std::mem::take(&mut released.joined);
            let alone = released.alone;
            (
                SpanBatch::of(released.batch()),
                numbers,
                before,
                joined,
                alone,
            )
        })
    })?;
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    Ok((batch, bytes(&numbers), bytes(&before), joined, alone))
}

#[pymethods]
impl Steps {
    #[new]
    fn new(settings: &str) -> PyResult<Self> {
        Ok(Self(Arc::new(Mutex::new(steps::Steps::new(&parse(
            settings,
        )?)))))
    }

    fn process<'py>(&self, py: Python<'py>, batch: &SpanBatch) -> PyResult<Released<'py>> {
        released(py, || batch.with_mut(|batch| lock(&self.0).process(batch)))
    }

    fn advance<'py>(&self, py: Python<'py>, now: i64) -> PyResult<Released<'py>> {
        released(py, || Ok(lock(&self.0).advance(now)))
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Released<'py>> {
        released(py, || Ok(lock(&self.0).drain(0)))
    }

    fn reuse(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<()> {
        detached(py, || batch.with_mut(|batch| lock(&self.0).reuse(batch)))
    }

    fn bound(&self) -> i64 {
        lock(&self.0).bound()
    }

    fn restart(&self) {
        lock(&self.0).restart();
    }

    /// What it holds as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = lock(&self.0).counts();
        let counts = PyDict::new(py);
        counts.set_item("late", state.late)?;
        counts.set_item("hurried", state.hurried)?;
        counts.set_item("held", state.held)?;
        counts.set_item("bytes", state.bytes)?;
        Ok(counts)
    }
}

/// Adds this file's classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Requests>()?;
    module.add_class::<Endpoints>()?;
    module.add_class::<Sessions>()?;
    module.add_class::<Links>()?;
    module.add_class::<Ranks>()?;
    module.add_class::<Coverage>()?;
    module.add_class::<Steps>()
}
