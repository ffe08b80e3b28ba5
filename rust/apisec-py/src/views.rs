//! Records as a read-only buffer: the only unsafe code.

use std::ffi::c_int;

use apisec_core::codec::Record;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{Bound, PyResult, Python, ffi};

/// A snapshot of records as they lie in memory.
pub fn snapshot<'py>(
    py: Python<'py>,
    count: usize,
    records: &[&[Record]],
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, count * size_of::<Record>(), |out| {
        let mut rest = out;
        for bytes in records.iter().map(|records| as_bytes(records)) {
            let taken = bytes.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(taken);
            head.copy_from_slice(&bytes[..taken]);
            rest = tail;
        }
        Ok(())
    })
}

fn as_bytes(records: &[Record]) -> &[u8] {
    // SAFETY: `Record` is `repr(C)` and, asserted where it is declared, without padding: every byte is initialised.
    unsafe { std::slice::from_raw_parts(records.as_ptr().cast(), size_of_val(records)) }
}

/// Answers a request for a buffer with that of `bytes`, which the view then keeps alive by itself.
///
/// # Safety
/// `view` is the pointer that Python handed to `__getbuffer__`.
pub unsafe fn export(
    bytes: &Bound<'_, PyBytes>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no view to fill in"));
    }
    // SAFETY: `bytes` is a live object and `view` is Python's to be filled in; on failure `obj` is null, as is asked for.
    if unsafe { ffi::PyObject_GetBuffer(bytes.as_ptr(), view, flags) } != 0 {
        return Err(PyErr::fetch(bytes.py()));
    }
    Ok(())
}
