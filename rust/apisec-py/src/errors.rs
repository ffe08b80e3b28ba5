//! What Python sees when native code refuses something.

use pyo3::PyErr;
use pyo3::exceptions::{PyRuntimeError, PyValueError};

/// An error with its Python exception.
pub trait Raise {
    /// The exception to raise.
    fn raise(self) -> PyErr;
}

/// Bytes that cannot be read: `ValueError: offset 8123: length 4294967295 past the end (8190)`.
impl Raise for apisec_core::error::Error {
    fn raise(self) -> PyErr {
        PyValueError::new_err(self.to_string())
    }
}

/// A sentence about what the caller handed over.
impl Raise for String {
    fn raise(self) -> PyErr {
        PyValueError::new_err(self)
    }
}

impl Raise for PyErr {
    fn raise(self) -> PyErr {
        self
    }
}

/// A panic caught at the border: our bug, never the input's fault.
pub fn panicked(payload: &(dyn std::any::Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    PyRuntimeError::new_err(format!("native code panicked: {text}"))
}
