//! `apisec_otel._native`: the thin binding of apisec-core and apisec-io.

use pyo3::prelude::*;

mod batch;
mod detach;
mod errors;
mod io;
mod payload;
mod plan;
mod rows;
mod snapshot;
mod text;
mod views;

#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    batch::register(module)?;
    rows::register(module)?;
    payload::register(module)?;
    plan::register(module)?;
    snapshot::register(module)?;
    text::register(module)?;
    io::register(module)?;
    Ok(())
}
