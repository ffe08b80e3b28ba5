//! `Plan` and `Answers`: the plan executor as Python sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use apisec_core::kernels::conduct::person;
use apisec_core::kernels::learned::{PENDING_CELLS, State};
use apisec_core::kernels::{Kind, Operands, TALLIES, half_space_trees};
use apisec_core::plan::{self, ColumnMap, Data, Outside, OutsideCall, Rows, Wanted};
use apisec_core::rows::columns::{Columns, Judged};
use apisec_core::rows::parts;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::batch::{SpanBatch, Vocabulary};
use crate::detach::detached;
use crate::snapshot::{self, Shards};

type RaisedTuple = (usize, usize, f64, u8, u64, Vec<(f64, f64)>);

/// All detectors as one plan, with everything they remember.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Plan {
    inner: Arc<Mutex<plan::Plan>>,
    columns: Result<Columns, String>,
    /// Who takes requests apart, where rows are their items.
    splitter: OnceLock<Mutex<parts::Splitter>>,
}

/// What a run answered.
#[pyclass(frozen, module = "apisec_otel._native")]
pub struct Answers {
    inner: plan::Answers,
    named: Vec<(&'static str, String)>,
    numbers: Vec<u32>,
}

impl From<plan::Answers> for Answers {
    fn from(inner: plan::Answers) -> Self {
        Self {
            inner,
            named: Vec::new(),
            numbers: Vec::new(),
        }
    }
}

impl From<parts::Said> for Answers {
    fn from(said: parts::Said) -> Self {
        Self {
            inner: said.answers,
            named: said.named,
            numbers: said.numbers,
        }
    }
}

fn broken() -> PyErr {
    PyRuntimeError::new_err("the plan broke in an earlier run")
}

fn refused(error: plan::Error) -> PyErr {
    PyValueError::new_err(error.0)
}

impl Plan {
    /// Runs rows with the interpreter released.
    pub fn run_rows(
        &self,
        py: Python<'_>,
        rows: &(dyn Rows + Sync),
        all: bool,
        values: &[usize],
    ) -> PyResult<Answers> {
        let run = || {
            let mut plan = self
                .inner
                .lock()
                .map_err(|_| plan::Error("the plan broke in an earlier run".into()))?;
            plan.run(rows, Wanted { all, values })
        };
        detached(py, || run().map_err(|error| error.0)).map(Answers::from)
    }

    /// Calls with the plan, which is not being run meanwhile.
    pub fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&plan::Plan) -> T + Send,
    ) -> PyResult<T> {
        let locked = || self.inner.lock().ok().map(|plan| call(&plan));
        py.detach(locked)
            .ok_or_else(|| PyRuntimeError::new_err("the plan broke in an earlier run"))
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u32::from_ne_bytes(*word)).collect()
}

/// A Python function that answers for all that is not native: called once a piece and node, with columns as bytes.
struct Callback(Py<PyAny>);

impl Callback {
    fn ask(&self, py: Python<'_>, call: &OutsideCall<'_>, out: &mut [f64]) -> PyResult<()> {
        let column = |operand: &Operands<'_>| match *operand {
            Operands::Number(values) => ("<f8", bytes(py, values, f64::to_ne_bytes)),
            Operands::Logic(values) => ("i1", bytes(py, values, i8::to_ne_bytes)),
            Operands::Id(values) => ("<u8", bytes(py, values, u64::to_ne_bytes)),
            Operands::Row => ("i1", PyBytes::new(py, &[])),
        };
        let columns: Vec<_> = call.operands.iter().map(column).collect();
        let marks = |marks: &[bool]| bytes(py, marks, |mark| [u8::from(mark)]);
        let answer = self.0.call1(
            py,
            (
                call.function,
                columns,
                bytes(py, call.by, u64::to_ne_bytes),
                marks(call.counted),
                marks(call.asked),
                bytes(py, call.times, i64::to_ne_bytes),
            ),
        )?;
        let answer = array::<f64>(answer.bind(py))?;
        out.iter_mut()
            .zip(answer)
            .for_each(|(out, value)| *out = value);
        Ok(())
    }
}

impl Outside for Callback {
    fn answer(&mut self, call: &OutsideCall<'_>, out: &mut [f64]) {
        Python::attach(|py| {
            if let Err(error) = self.ask(py, call, out) {
                out.fill(f64::NAN);
                error.write_unraisable(py, None);
            }
        });
    }
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (spec, outside = None))]
    fn new(spec: &str, outside: Option<Py<PyAny>>) -> PyResult<Self> {
        let mut plan = plan::Plan::load(spec).map_err(refused)?;
        if let Some(outside) = outside {
            plan.attach(Box::new(Callback(outside)));
        }
        Ok(Self {
            columns: Columns::bind(plan.inputs()),
            inner: Arc::new(Mutex::new(plan)),
            splitter: OnceLock::new(),
        })
    }

    /// From now on its rows are the items of requests, which come as `settings` say of which attributes.
    fn split(&self, settings: &str, vocabulary: &Vocabulary) -> PyResult<()> {
        let settings = serde_json::from_str(settings)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let made = parts::Splitter::new(settings, (*vocabulary.hasher).clone());
        // Whoever came first stays.
        let _ = self
            .splitter
            .set(Mutex::new(made.map_err(PyValueError::new_err)?));
        Ok(())
    }

    /// Items that were not looked at, for their request has too many.
    fn cut(&self) -> u64 {
        let state = self.splitter.get();
        state.map_or(0, |state| {
            state.lock().unwrap_or_else(PoisonError::into_inner).cut
        })
    }

    /// Runs the requests of a batch that are judged; rows are numbered as in the batch.
    ///
    /// `late`: released requests and, as bytes of u32, the row of the batch before which each was. Those of them that were
    /// set back are judged there, numbered on from the batch's last row.
    #[pyo3(signature = (batch, ask_all = false, values = Vec::new(), late = None))]
    fn run(
        &self,
        py: Python<'_>,
        batch: &SpanBatch,
        ask_all: bool,
        values: Vec<usize>,
        late: Option<(PyRef<'_, SpanBatch>, &[u8])>,
    ) -> PyResult<Answers> {
        let columns = self
            .columns
            .as_ref()
            .map_err(|error| PyValueError::new_err(error.clone()))?;
        let values = values.as_slice();
        let all = ask_all;
        if let Some(splitter) = self.splitter.get() {
            let run = |batch: &mut apisec_core::codec::SpanBatch| {
                let mut plan = self.inner.lock().map_err(|_| broken())?;
                let mut splitter = splitter.lock().map_err(|_| broken())?;
                let said = splitter.run(&mut plan, batch, columns, Wanted { all, values });
                said.map(Answers::from).map_err(refused)
            };
            return detached(py, || batch.with_mut(run)?);
        }
        let run = |judged: Judged<'_>, rows: usize| -> PyResult<Answers> {
            let mut plan = self.inner.lock().map_err(|_| broken())?;
            let answers = plan.run(&judged, Wanted { all, values });
            let answers = answers.map_err(refused)?;
            Ok(answers.renumbered(judged.numbers(), rows).into())
        };
        let Some((released, before)) = late else {
            return detached(py, || {
                batch.with_mut(|batch| run(Judged::of(batch, columns), batch.len()))?
            });
        };
        let (released, before) = (&*released, words(before));
        detached(py, || {
            batch.with_mut(|batch| {
                released.with_mut(|released| {
                    let late = (&*released, before.as_slice());
                    let rows = batch.len() + released.len();
                    run(Judged::with(batch, late, columns), rows)
                })?
            })?
        })
    }

    /// Flags entities that were raised at a time (ns) on rows that another plan judges before these come to it.
    fn flag(&self, raised: Vec<(u64, i64)>) -> PyResult<()> {
        let mut plan = self.inner.lock().map_err(|_| broken())?;
        for (entity, time) in raised {
            plan.flag(entity, time);
        }
        Ok(())
    }

    /// Lets time (ns) pass without a row: windows that are over close. No row may come later with a time before it.
    fn advance(&self, py: Python<'_>, time: i64) -> PyResult<()> {
        let advance = || {
            self.inner
                .lock()
                .map(|mut plan| plan.advance(time))
                .map_err(|_| broken())
        };
        detached(py, advance)
    }

    /// Ends what a recording had open, for one that begins in its past: windows close, tallies go, baselines stay.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        let restart = || {
            self.inner
                .lock()
                .map(|mut plan| plan.restart())
                .map_err(|_| broken())
        };
        detached(py, restart)
    }

    /// The columns that rows must provide: (name, kind).
    fn inputs(&self, py: Python<'_>) -> PyResult<Vec<(String, &'static str)>> {
        self.with(py, |plan| {
            plan.inputs()
                .iter()
                .map(|input| (input.name.clone(), kind_name(input.kind)))
                .collect()
        })
    }

    /// Runs rows given as columns: arrays of f64, i8 or u64.
    #[pyo3(signature = (columns, time, late = None, ask_all = false, values = Vec::new()))]
    fn run_columns(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyDict>,
        time: &Bound<'_, PyAny>,
        late: Option<&Bound<'_, PyAny>>,
        ask_all: bool,
        values: Vec<usize>,
    ) -> PyResult<Answers> {
        let mut read = HashMap::new();
        for (name, column) in columns {
            let name: String = name.extract()?;
            let column = data(&column, &name)?;
            read.insert(name, column);
        }
        let late = late
            .map(|late| flags(late))
            .transpose()?
            .unwrap_or_default();
        let inputs = self.with(py, |plan| plan.inputs().to_vec())?;
        let rows = ColumnMap::new(&inputs, read, array::<i64>(time)?, late).map_err(refused)?;
        self.run_rows(py, &rows, ask_all, &values)
    }

    /// Its state as shards, each copied when it is asked for.
    fn shards(&self) -> Shards {
        Shards::of(self.inner.clone())
    }

    /// Takes up a shard; false when it is of another layout.
    fn load(&self, py: Python<'_>, shard: &[u8]) -> PyResult<bool> {
        snapshot::load(py, &self.inner, shard)
    }

    /// After the last shard: identities of what the plan remembers that were not in them.
    fn loaded(&self) -> PyResult<Vec<String>> {
        snapshot::loaded(&self.inner)
    }

    /// Identity and counts of each table.
    fn tables<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let tables: Vec<_> = self.with(py, |plan| {
            plan.tables()
                .map(|(identity, metrics)| (identity.to_owned(), metrics))
                .collect()
        })?;
        let dict = |(identity, metrics): (String, apisec_core::table::Metrics)| {
            let dict = PyDict::new(py);
            dict.set_item("identity", identity)?;
            dict.set_item("entries", metrics.entries)?;
            dict.set_item("bytes", metrics.bytes)?;
            dict.set_item("evicted", metrics.evicted)?;
            dict.set_item("expired", metrics.expired)?;
            Ok(dict)
        };
        tables.into_iter().map(dict).collect()
    }
}

#[pymethods]
impl Answers {
    /// Raised rows: (row, signal, p, severity, entity, [(observed, expected)]), by row, then signal.
    #[getter]
    fn raised(&self) -> Vec<RaisedTuple> {
        let tuple = |one: &plan::Raised| {
            (
                one.row,
                one.signal,
                one.p,
                one.severity,
                one.entity,
                one.evidence.clone(),
            )
        };
        self.inner.raised.iter().map(tuple).collect()
    }

    /// Scores of each signal, an f64 a row; empty unless all was asked.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.inner
            .scores
            .iter()
            .map(|scores| bytes(py, scores, f64::to_ne_bytes))
            .collect()
    }

    /// What each signal says of its row's session, an f64 a row; empty of one that ranks none.
    #[getter]
    fn ranks<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let ranks = self.inner.ranks.iter();
        ranks
            .map(|ranks| bytes(py, ranks, f64::to_ne_bytes))
            .collect()
    }

    /// Whether a row asked a baseline still without support, a byte a row; empty unless all was asked.
    #[getter]
    fn learning<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.inner.learning, |learning| [u8::from(learning)])
    }

    /// Place and name of the item of each raised row, where rows are items.
    #[getter]
    fn named(&self) -> Vec<(&'static str, String)> {
        self.named.clone()
    }

    /// The batch's row of each item that has values, a u32 each, where rows are items.
    #[getter]
    fn numbers<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.numbers, u32::to_ne_bytes)
    }

    /// The wanted nodes' columns: f64, i8 or u64 by the node's kind.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let column = |data: &Data| match data {
            Data::Number(values) => bytes(py, values, f64::to_ne_bytes),
            Data::Logic(values) => bytes(py, values, i8::to_ne_bytes),
            Data::Id(values) => bytes(py, values, u64::to_ne_bytes),
        };
        self.inner.values.iter().map(column).collect()
    }
}

/// Every kernel: (name, kind of its operand or "", words in an entry). The pending words of a baseline are `pending`'s.
#[pyfunction]
fn kernels() -> Vec<(&'static str, &'static str, usize)> {
    let tallies = TALLIES
        .iter()
        .map(|tally| (tally.name, tally.kind.map_or("", kind_name), tally.cells));
    tallies
        .chain([
            ("quantile", "number", State::Histogram.cells()),
            ("tail", "number", State::Histogram.cells()),
            ("novelty", "id", State::Novelty.cells()),
            ("surprise", "id", State::Successors.cells()),
            ("always", "logic", State::Always.cells()),
            ("half_space_trees", "number", half_space_trees::CELLS),
            ("conduct", "number", person::CELLS),
            ("pending", "number", PENDING_CELLS),
        ])
        .collect()
}

/// One key of two: what the op `mix` computes.
#[pyfunction]
fn mix(a: u64, b: u64) -> u64 {
    plan::mix(a, b)
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "number",
        Kind::Logic => "logic",
        Kind::Id => "id",
    }
}

fn bytes<'py, T: Copy, const N: usize>(
    py: Python<'py>,
    values: &[T],
    of: impl Fn(T) -> [u8; N],
) -> Bound<'py, PyBytes> {
    let flat: Vec<u8> = values.iter().flat_map(|&value| of(value)).collect();
    PyBytes::new(py, &flat)
}

fn array<T: Element>(column: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    PyBuffer::<T>::get(column)?.to_vec(column.py())
}

fn data(column: &Bound<'_, PyAny>, name: &str) -> PyResult<Data> {
    let numbers = array::<f64>(column).map(Data::Number);
    let logics = || array::<i8>(column).map(Data::Logic);
    let ids = || array::<u64>(column).map(Data::Id);
    numbers
        .or_else(|_| logics())
        .or_else(|_| ids())
        .map_err(|_| {
            PyValueError::new_err(format!(
                "column {name} is no array of f64 (number), i8 (logic) or u64 (id)"
            ))
        })
}

/// Flags as bool, u8 or i8.
fn flags(late: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
    let whole = array::<u8>(late).map(|late| late.into_iter().map(|late| late != 0).collect());
    let view = || {
        late.call_method1("view", ("u1",))
            .and_then(|late| array::<u8>(&late))
    };
    whole.or_else(|_| view().map(|late| late.into_iter().map(|late| late != 0).collect()))
}

/// Adds this file's classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Plan>()?;
    module.add_class::<Answers>()?;
    module.add_function(wrap_pyfunction!(kernels, module)?)?;
    module.add_function(wrap_pyfunction!(mix, module)?)?;
    Ok(())
}
