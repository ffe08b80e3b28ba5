//! What requests say, held against what others said: state and one call a batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apisec_core::rows::payload;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::batch::{SpanBatch, Vocabulary};
use crate::detach::detached;
use crate::snapshot::{self, Shards};

/// All that is learned of payloads.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Payload(Arc<Mutex<payload::Payload>>);

impl Payload {
    fn lock(&self) -> MutexGuard<'_, payload::Payload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Payload {
    #[new]
    fn new(settings: &str, vocabulary: &Vocabulary) -> PyResult<Self> {
        let settings = serde_json::from_str(settings)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let made = payload::Payload::new(settings, (*vocabulary.hasher).clone());
        Ok(Self(Arc::new(Mutex::new(
            made.map_err(PyValueError::new_err)?,
        ))))
    }

    fn process(&self, py: Python<'_>, batch: &SpanBatch) -> PyResult<()> {
        detached(py, || batch.with_mut(|batch| self.lock().process(batch)))
    }

    fn advance(&self, now: i64) {
        self.lock().advance(now);
    }

    fn restart(&self) {
        self.lock().restart();
    }

    /// Entries, bytes, evicted and expired of each table, by its name; and requests that did not teach or were cut.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.lock();
        let all = PyDict::new(py);
        for (name, metrics) in state.metrics() {
            let table = PyDict::new(py);
            table.set_item("entries", metrics.entries)?;
            table.set_item("bytes", metrics.bytes)?;
            table.set_item("evicted", metrics.evicted)?;
            table.set_item("expired", metrics.expired)?;
            all.set_item(name, table)?;
        }
        all.set_item("untaught", state.untaught)?;
        all.set_item("cut", state.cut)?;
        Ok(all)
    }

    /// What is learned as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.0.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.0, shard)
    }
}

/// Adds this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Payload>()
}
