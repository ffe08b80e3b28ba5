//! State as Python keeps it: an iterator of shards out, one shard after the other in.

use std::sync::{Arc, Mutex};

use apisec_core::snapshot::{self, Keeps};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::detach::detached;

type Next = Box<dyn FnMut() -> Result<Option<Vec<u8>>, String> + Send>;

/// Shards of a state, each copied when it is asked for; rows may be counted in between.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Shards(Mutex<Next>);

fn broken() -> String {
    "the state broke in an earlier call".to_owned()
}

impl Shards {
    /// The copy begins with the first shard asked for, not now.
    pub fn of<K: Keeps + Send + 'static>(state: Arc<Mutex<K>>) -> Self {
        let mut at = None;
        Self(Mutex::new(Box::new(move || {
            let state = state.lock().map_err(|_| broken())?;
            let at = at.get_or_insert_with(|| state.start());
            Ok(snapshot::shard(&*state, at))
        })))
    }
}

#[pymethods]
impl Shards {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let next = || {
            let mut next = self.0.lock().map_err(|_| broken())?;
            next()
        };
        let shard = detached(py, next)?;
        Ok(shard.map(|shard| PyBytes::new(py, &shard)))
    }
}

/// Loads a shard into a state.
pub fn load<K: Keeps + Send>(py: Python<'_>, state: &Mutex<K>, shard: &[u8]) -> PyResult<bool> {
    detached(py, || {
        let mut state = state
            .lock()
            .map_err(|_| PyRuntimeError::new_err(broken()))?;
        snapshot::load(&mut *state, shard).map_err(crate::errors::Raise::raise)
    })
}

/// What was not in the shards.
pub fn loaded<K: Keeps>(state: &Mutex<K>) -> PyResult<Vec<String>> {
    let state = state.lock();
    let mut state = state.map_err(|_| PyRuntimeError::new_err(broken()))?;
    Ok(state.loaded())
}

/// Adds this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Shards>()
}
