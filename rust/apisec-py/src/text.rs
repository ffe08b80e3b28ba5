//! Features of one text, for the tests that compare them with the reference.

use std::sync::{Arc, Mutex, PoisonError};

use apisec_core::text::{Scratch, Syntax, features};
use pyo3::prelude::*;

use crate::errors::Raise;

/// The last syntax read: tests ask of one syntax many times.
static LAST: Mutex<Option<(String, Arc<Syntax>)>> = Mutex::new(None);

/// Bucket of the length, classes, shape, score and place of the family (255: none) of a text.
#[pyfunction]
fn text_features(
    raw: &[u8],
    plus: bool,
    body: bool,
    syntax_json: &str,
) -> PyResult<(u8, u64, u16, u8, u8)> {
    let syntax = read(syntax_json)?;
    let text = features(raw, plus, body, &syntax, &mut Scratch::default());
    Ok((
        text.length,
        text.classes,
        text.shape,
        text.syntax,
        text.family,
    ))
}

fn read(json: &str) -> PyResult<Arc<Syntax>> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, syntax)) = last.as_ref().filter(|(known, _)| known == json) {
        return Ok(Arc::clone(syntax));
    }
    let syntax = Syntax::from_json(json).map_err(|error| error.to_string().raise())?;
    let syntax = Arc::new(syntax);
    *last = Some((json.to_owned(), Arc::clone(&syntax)));
    Ok(syntax)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(text_features, module)?)
}
