//! Vocabulary, SpanBatch and the functions over requests.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_int;
use std::sync::{Arc, Mutex, MutexGuard};

use apisec_core::codec::{self, Annotation, MARKS, RECORD_FIELDS, Reason, Text};
use apisec_core::hash::Hasher;
use bytes::Bytes;
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use crate::detach::detached;
use crate::views;

/// Which attributes feed which column, and the secret under which texts become ids.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Vocabulary {
    /// For decoding off the Python side.
    pub vocabulary: Arc<codec::Vocabulary>,
    /// Ids under the secret.
    pub hasher: Arc<Hasher>,
}

#[pymethods]
impl Vocabulary {
    #[new]
    fn new(spec: &str, secret: &[u8]) -> PyResult<Self> {
        let secret: &[u8; 16] = secret
            .try_into()
            .map_err(|_| PyValueError::new_err("secret: 16 bytes are wanted"))?;
        let vocabulary = codec::Vocabulary::load(spec).map_err(PyValueError::new_err)?;
        Ok(Self {
            vocabulary: Arc::new(vocabulary),
            hasher: Arc::new(Hasher::new(secret)),
        })
    }

    /// The id of a text; never 0.
    fn hash(&self, text: Chars) -> u64 {
        match text {
            Chars::Text(text) => self.hasher.text(text.as_bytes()),
            Chars::Bytes(bytes) => self.hasher.text(&bytes),
        }
    }
}

#[derive(FromPyObject)]
enum Chars {
    Text(String),
    Bytes(PyBackedBytes),
}

/// The spans of the requests that are processed together.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct SpanBatch {
    batch: Mutex<codec::SpanBatch>,
}

impl SpanBatch {
    /// A batch made elsewhere.
    pub fn of(batch: codec::SpanBatch) -> Self {
        Self {
            batch: Mutex::new(batch),
        }
    }

    /// A batch of members decoded elsewhere.
    pub fn from_members(members: Vec<codec::Member>) -> Self {
        Self {
            batch: Mutex::new(codec::SpanBatch::from_members(members)),
        }
    }

    /// Lends the batch to native code, which may fill in derived fields of its records.
    pub fn with_mut<T>(&self, work: impl FnOnce(&mut codec::SpanBatch) -> T) -> PyResult<T> {
        Ok(work(&mut *self.lock()?))
    }

    /// The requests to send on, one a member, and whether each is the bytes that came.
    pub fn encoded(&self) -> PyResult<Vec<(Bytes, bool)>> {
        let batch = self.lock()?;
        let encoded = batch.encode();
        Ok(encoded
            .into_iter()
            .zip(batch.members())
            .map(|(bytes, member)| {
                let same = std::ptr::eq(bytes.as_ref(), member.bytes.as_ref());
                (bytes, same)
            })
            .collect())
    }

    fn lock(&self) -> PyResult<MutexGuard<'_, codec::SpanBatch>> {
        self.batch
            .lock()
            .map_err(|_| PyRuntimeError::new_err("native code panicked over this batch before"))
    }
}

#[pymethods]
impl SpanBatch {
    fn __len__(&self) -> PyResult<usize> {
        self.with_mut(|batch| batch.len())
    }

    /// Spans of any kind.
    #[getter]
    fn spans(&self) -> PyResult<usize> {
        self.with_mut(|batch| batch.spans())
    }

    /// Requests.
    #[getter]
    fn members(&self) -> PyResult<usize> {
        self.with_mut(|batch| batch.members().len())
    }

    /// Spans of a kept kind left out, as they have more or longer attributes than is analysed.
    #[getter]
    fn over_limits(&self) -> PyResult<u32> {
        self.with_mut(|batch| {
            batch
                .members()
                .iter()
                .map(|member| member.over_limits)
                .sum()
        })
    }

    /// A text column of a row; None when it is missing. Invalid UTF-8 reads as U+FFFD.
    fn text(&self, row: usize, column: &str) -> PyResult<Option<String>> {
        let column = match column {
            "principal" => Text::User,
            name => Text::named(name)
                .ok_or_else(|| PyValueError::new_err(format!("{name}: no text column")))?,
        };
        self.with_mut(|batch| {
            let (member, at) = batch.locate(row).ok_or_else(|| no_row(row, batch.len()))?;
            let slice = member
                .rows
                .get(at)
                .map(|record| record.text(column))
                .unwrap_or_default();
            Ok((!slice.is_empty()).then(|| member.string(slice).into_owned()))
        })?
    }

    /// Writes attributes on a row's span when it is encoded; a key written before is replaced.
    fn annotate(&self, row: usize, attributes: &Bound<'_, PyDict>) -> PyResult<()> {
        let attributes = attributes
            .iter()
            .map(|(key, value)| Ok((key.extract()?, value.extract::<Written>()?.into())));
        let attributes: Vec<(String, Annotation)> = attributes.collect::<PyResult<_>>()?;
        self.with_mut(|batch| {
            if batch.annotate(row, attributes) {
                Ok(())
            } else {
                Err(no_row(row, batch.len()))
            }
        })?
    }

    /// The requests to send on, one a member; the same content where nothing is written.
    fn encode<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let requests = detached(py, || Ok::<_, PyErr>(self.lock()?.encode()))?;
        Ok(requests
            .iter()
            .map(|request| PyBytes::new(py, request))
            .collect())
    }

    /// Why rows are unusual in what they say: the row, then feature, place, name, word, whether it is missing, how often it
    /// was so and of how many, the length, and the nats of value, path, names and doubled ones.
    fn reasons(&self) -> PyResult<Vec<(u32, ReasonTuple)>> {
        self.with_mut(|batch| {
            let reasons = batch.reasons.iter().map(|(row, reason)| {
                let Reason {
                    feature,
                    place,
                    name,
                    word,
                    lacks,
                    seen,
                    of,
                    length,
                    parts,
                } = reason;
                let texts = (*feature, *place, name.clone(), word.clone());
                (*row, (texts, *lacks, *seen, *of, *length, *parts))
            });
            reasons.collect()
        })
    }

    /// How many values are overwritten, by the name of what holds them.
    fn secrets(&self) -> PyResult<BTreeMap<String, usize>> {
        self.with_mut(|batch| {
            let mut counts = BTreeMap::new();
            for member in batch.members() {
                for secret in &member.secrets {
                    if let Some(name) = member.secret_names.get(secret.key as usize) {
                        *counts.entry(name.clone()).or_default() += 1;
                    }
                }
            }
            counts
        })
    }

    /// # Safety
    /// Called by Python alone, with a view to fill in.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let batch = slf.get().lock()?;
        let records: Vec<_> = batch
            .members()
            .iter()
            .map(|member| member.rows.as_slice())
            .collect();
        let bytes = views::snapshot(slf.py(), batch.len(), &records)?;
        // SAFETY: `view` comes from Python.
        unsafe { views::export(&bytes, view, flags) }
    }

    /// Nothing to do: a view releases the snapshot that it holds. That the slot is there tells numpy to hold the view,
    /// not the batch, which does not own those bytes.
    ///
    /// # Safety
    /// Called by Python alone.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {}
}

type ReasonTuple = (
    (&'static str, &'static str, String, String),
    bool,
    f64,
    f64,
    u32,
    [f64; 4],
);

fn no_row(row: usize, rows: usize) -> PyErr {
    PyIndexError::new_err(format!("row {row}: the batch has {rows}"))
}

/// An attribute's value; in this order, as a bool is an int to Python and an int a float.
#[derive(FromPyObject)]
enum Written {
    #[pyo3(transparent, annotation = "bool")]
    Bool(bool),
    #[pyo3(transparent, annotation = "str")]
    Text(String),
    #[pyo3(transparent, annotation = "int")]
    Int(i64),
    #[pyo3(transparent, annotation = "float")]
    Double(f64),
    #[pyo3(transparent, annotation = "list[str]")]
    List(Vec<String>),
}

impl From<Written> for Annotation {
    fn from(value: Written) -> Self {
        match value {
            Written::Bool(value) => Self::Bool(value),
            Written::Text(value) => Self::Text(value),
            Written::Int(value) => Self::Int(value),
            Written::Double(value) => Self::Double(value),
            Written::List(value) => Self::List(value),
        }
    }
}

/// Decodes requests of at most `max_spans` spans each. ValueError names the offset of what is wrong.
#[pyfunction]
#[pyo3(signature = (requests, vocabulary, max_spans = 131_072))]
fn decode(
    py: Python<'_>,
    requests: Vec<PyBackedBytes>,
    vocabulary: &Vocabulary,
    max_spans: u32,
) -> PyResult<SpanBatch> {
    let members = detached(py, || {
        let requests = requests.into_iter().map(Bytes::from_owner);
        requests
            .map(|bytes| {
                codec::decode(bytes, &vocabulary.vocabulary, &vocabulary.hasher, max_spans)
            })
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(SpanBatch::from_members(members))
}

/// An OTLP/JSON trace request as protobuf. ValueError names the offset of what is wrong.
#[pyfunction]
fn transcode<'py>(py: Python<'py>, json: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
    let request = detached(py, || codec::json::transcode(&json))?;
    Ok(PyBytes::new(py, &request))
}

/// A request cut at span boundaries into parts of at most `max_spans` spans and `max_bytes` bytes.
#[pyfunction]
fn split<'py>(
    py: Python<'py>,
    request: PyBackedBytes,
    max_spans: u32,
    max_bytes: usize,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let parts = detached(py, || {
        codec::split(&Bytes::from_owner(request), max_spans, max_bytes)
    })?;
    Ok(parts
        .iter()
        .map(|(part, _)| PyBytes::new(py, part))
        .collect())
}

/// Adds this file's classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Vocabulary>()?;
    module.add_class::<SpanBatch>()?;
    module.add_function(wrap_pyfunction!(decode, module)?)?;
    module.add_function(wrap_pyfunction!(transcode, module)?)?;
    module.add_function(wrap_pyfunction!(split, module)?)?;
    module.add("RECORD_FIELDS", RECORD_FIELDS.to_vec())?;
    module.add("MARKS", HashMap::from(MARKS))?;
    Ok(())
}
