//! The only way from Python into native work: GIL released, panics caught, errors mapped.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

use crate::errors::{Raise, panicked};

/// Runs `work` without the GIL. A panic becomes a RuntimeError, an error its exception.
pub fn detached<T, E, F>(py: Python<'_>, work: F) -> PyResult<T>
where
    F: FnOnce() -> Result<T, E> + Send,
    T: Send,
    E: Raise + Send,
{
    // What a panic leaves half done lies behind a mutex, which then refuses: nothing unsound can be seen.
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(answer) => answer.map_err(Raise::raise),
        Err(payload) => Err(panicked(payload.as_ref())),
    }
}
