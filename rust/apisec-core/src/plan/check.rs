//! From the plan's text to nodes: kinds, arity, order, settings and tables are verified here, once.

use serde_json::Value;

use super::columns::Arenas;
use super::conduct::{Part, Reads, USUAL_CELLS, Watch};
use super::node::{
    Ask, Baseline, IdAt, Input, LogicAt, Node, NumberAt, OutsideNode, Place, Tally, Trees,
};
use super::outside::Remembered;
use super::pointwise::{Binary, Compare, Join, Unary};
use super::spec::{Error, NodeSpec, PlanSpec, VERSION};
use crate::kernels::conduct;
use crate::kernels::half_space_trees::{self, Forest};
use crate::kernels::learned::{self, Question};
use crate::kernels::{Kernel, Kind, Settings, TALLIES, window};
use crate::table::snapshot::Section;

/// Nodes and operands of a plan at most: each may hold a column of 4 kB.
const LARGEST: usize = 32_768;
const SECOND: i64 = 1_000_000_000;

/// A plan's nodes with their columns, and what its tables must hold.
#[derive(Default)]
pub struct Checked {
    pub arenas: Arenas,
    pub places: Vec<Place>,
    pub inputs: Vec<Input>,
    pub nodes: Vec<Node>,
    pub baselines: Vec<Baseline>,
    pub watches: Vec<Watch>,
    pub shapes: Vec<Shape>,
}

/// The cells of one table's entries.
pub struct Shape {
    pub key: IdAt,
    pub cells: usize,
    pub handles: Vec<usize>,
    pub sections: Vec<Section>,
}

type Checks<T> = Result<T, String>;

/// Verifies nodes and tables.
pub fn check(spec: &PlanSpec) -> Result<Checked, Error> {
    if spec.version != VERSION {
        return Err(Error(format!(
            "plan version {} is not known, {VERSION} is",
            spec.version
        )));
    }
    if spec
        .nodes
        .iter()
        .map(|node| 1 + node.args.len())
        .sum::<usize>()
        > LARGEST
    {
        return Err(Error(format!(
            "plan: more than {LARGEST} nodes and operands"
        )));
    }
    let mut checked = Checked::default();
    for (at, table) in spec.tables.iter().enumerate() {
        if table.expiry <= 0 {
            return Err(Error(format!(
                "plan table {at}: the expiry must be positive"
            )));
        }
        checked.shapes.push(Shape {
            key: IdAt(usize::MAX),
            cells: 0,
            handles: Vec::new(),
            sections: Vec::new(),
        });
    }
    for (at, node) in spec.nodes.iter().enumerate() {
        let place = checked
            .node(spec, at, node)
            .map_err(|what| Error(format!("plan node {at} {}: {what}", node.op)))?;
        checked.places.push(place);
        for (shape, table) in checked.shapes.iter_mut().zip(&spec.tables) {
            if let (Place::Id(key), true) = (place, table.key == at) {
                shape.key = key;
            }
        }
    }
    match checked
        .shapes
        .iter()
        .position(|shape| shape.key.0 == usize::MAX)
    {
        Some(table) => Err(Error(format!(
            "plan table {table}: its key is no node of kind id"
        ))),
        None => Ok(checked),
    }
}

/// What a sentence calls a kind.
fn called(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "a number",
        Kind::Logic => "a condition",
        Kind::Id => "an id",
    }
}

fn kind_of(place: Place) -> Kind {
    match place {
        Place::Number(_) => Kind::Number,
        Place::Logic(_) => Kind::Logic,
        Place::Id(_) => Kind::Id,
    }
}

/// A node's operands, read one after the other by name.
struct Operands<'a> {
    places: &'a [Place],
    args: &'a [usize],
}

impl Operands<'_> {
    fn wanted(&self, names: &[&str]) -> Checks<()> {
        if self.args.len() == names.len() {
            return Ok(());
        }
        Err(format!(
            "{} operands ({}) are wanted, there are {}",
            names.len(),
            names.join(", "),
            self.args.len()
        ))
    }

    fn place(&self, at: usize, name: &str) -> Checks<Place> {
        let node = *self
            .args
            .get(at)
            .ok_or_else(|| format!("operand `{name}` is not given"))?;
        self.places
            .get(node)
            .copied()
            .ok_or_else(|| format!("operand `{name}` is node {node}, which does not come before"))
    }

    fn wrong<T>(place: Place, name: &str, wanted: Kind) -> Checks<T> {
        Err(format!(
            "operand `{name}` is {}, {} is wanted",
            called(kind_of(place)),
            called(wanted)
        ))
    }

    fn number(&self, at: usize, name: &str) -> Checks<NumberAt> {
        match self.place(at, name)? {
            Place::Number(number) => Ok(number),
            other => Self::wrong(other, name, Kind::Number),
        }
    }

    fn logic(&self, at: usize, name: &str) -> Checks<LogicAt> {
        match self.place(at, name)? {
            Place::Logic(logic) => Ok(logic),
            other => Self::wrong(other, name, Kind::Logic),
        }
    }

    fn id(&self, at: usize, name: &str) -> Checks<IdAt> {
        match self.place(at, name)? {
            Place::Id(id) => Ok(id),
            other => Self::wrong(other, name, Kind::Id),
        }
    }

    fn of_kind(&self, at: usize, name: &str, kind: Kind) -> Checks<Place> {
        match kind {
            Kind::Number => self.number(at, name).map(Place::Number),
            Kind::Logic => self.logic(at, name).map(Place::Logic),
            Kind::Id => self.id(at, name).map(Place::Id),
        }
    }
}

fn unary_op(op: &str) -> Option<Unary> {
    Some(match op {
        "negate" => Unary::Negate,
        "exp" => Unary::Exp,
        "log" => Unary::Log,
        "absolute" => Unary::Absolute,
        _ => return None,
    })
}

fn binary_op(op: &str) -> Option<Binary> {
    Some(match op {
        "add" => Binary::Add,
        "subtract" => Binary::Subtract,
        "multiply" => Binary::Multiply,
        "divide" => Binary::Divide,
        "maximum" => Binary::Maximum,
        "minimum" => Binary::Minimum,
        _ => return None,
    })
}

fn compare_op(op: &str) -> Option<Compare> {
    Some(match op {
        "greater" => Compare::Greater,
        "greater_equal" => Compare::GreaterEqual,
        "less" => Compare::Less,
        "less_equal" => Compare::LessEqual,
        "equal" => Compare::Equal,
        "not_equal" => Compare::NotEqual,
        _ => return None,
    })
}

impl Checked {
    fn node(&mut self, spec: &PlanSpec, at: usize, node: &NodeSpec) -> Checks<Place> {
        let places = std::mem::take(&mut self.places);
        let operands = Operands {
            places: &places,
            args: &node.args,
        };
        let place = if TALLIES.iter().any(|tally| tally.name == node.op) {
            self.tally(spec, node, &operands)
        } else if let Some(question) = Question::build(&node.op, &Settings(&node.settings)) {
            question.and_then(|question| self.ask(spec, node, &operands, question))
        } else if node.op == "half_space_trees" {
            self.trees(spec, node, &operands)
        } else if node.op == "conduct" {
            self.conduct(spec, node, &operands)
        } else if matches!(node.op.as_str(), "fold" | "model" | "apply") {
            self.outside(node, &operands)
        } else {
            self.pointwise(node, &operands)
        };
        self.places = places;
        let place = place?;
        let kind = match kind_of(place) {
            Kind::Number => "number",
            Kind::Logic => "logic",
            Kind::Id => "id",
        };
        if kind != node.kind {
            return Err(format!(
                "node {at} is said to be of kind {}, it is {kind}",
                node.kind
            ));
        }
        Ok(place)
    }

    fn pointwise(&mut self, node: &NodeSpec, operands: &Operands<'_>) -> Checks<Place> {
        let op = node.op.as_str();
        if let Some(op) = unary_op(op) {
            operands.wanted(&["a"])?;
            let a = operands.number(0, "a")?;
            return Ok(Place::Number(self.number(|out| Node::Unary(op, a, out))));
        }
        if let Some(op) = binary_op(op) {
            return self.binary(op, operands);
        }
        if let Some(op) = compare_op(op) {
            operands.wanted(&["a", "b"])?;
            let (a, b) = (operands.number(0, "a")?, operands.number(1, "b")?);
            return Ok(Place::Logic(self.logic(|out| Node::Compare(op, a, b, out))));
        }
        match op {
            "and" => self.join(Join::And, operands),
            "or" => self.join(Join::Or, operands),
            "column" => self.column(node, operands),
            "constant" => self.constant(node, operands),
            _ => self.rest(op, operands),
        }
    }

    fn rest(&mut self, op: &str, operands: &Operands<'_>) -> Checks<Place> {
        match op {
            "when" => {
                operands.wanted(&["condition", "a", "b"])?;
                let (condition, a, b) = (
                    operands.logic(0, "condition")?,
                    operands.number(1, "a")?,
                    operands.number(2, "b")?,
                );
                Ok(Place::Number(
                    self.number(|out| Node::Choose(condition, a, b, out)),
                ))
            }
            "same" | "different" => {
                operands.wanted(&["a", "b"])?;
                let (a, b) = (operands.id(0, "a")?, operands.id(1, "b")?);
                Ok(Place::Logic(
                    self.logic(|out| Node::Same(op == "different", a, b, out)),
                ))
            }
            "not" => {
                operands.wanted(&["a"])?;
                let a = operands.logic(0, "a")?;
                Ok(Place::Logic(self.logic(|out| Node::Not(a, out))))
            }
            "known" => {
                operands.wanted(&["a"])?;
                let a = operands.place(0, "a")?;
                Ok(Place::Logic(self.logic(|out| Node::Known(a, out))))
            }
            "mix" => {
                operands.wanted(&["a", "b"])?;
                let (a, b) = (operands.id(0, "a")?, operands.id(1, "b")?);
                let out = self.arenas.id(0);
                self.nodes.push(Node::Mix(a, b, out));
                Ok(Place::Id(out))
            }
            _ => Err("no such operation".into()),
        }
    }

    fn number(&mut self, node: impl FnOnce(NumberAt) -> Node) -> NumberAt {
        let out = self.arenas.number(f64::NAN);
        self.nodes.push(node(out));
        out
    }

    fn logic(&mut self, node: impl FnOnce(LogicAt) -> Node) -> LogicAt {
        let out = self.arenas.logic(0);
        self.nodes.push(node(out));
        out
    }

    fn binary(&mut self, op: Binary, operands: &Operands<'_>) -> Checks<Place> {
        if !(matches!(op, Binary::Maximum | Binary::Minimum) && operands.args.len() > 2) {
            operands.wanted(&["a", "b"])?;
        }
        let mut left = operands.number(0, "a")?;
        for at in 1..operands.args.len() {
            let right = operands.number(at, "b")?;
            left = self.number(|out| Node::Binary(op, left, right, out));
        }
        Ok(Place::Number(left))
    }

    fn join(&mut self, op: Join, operands: &Operands<'_>) -> Checks<Place> {
        if operands.args.len() < 2 {
            operands.wanted(&["a", "b"])?;
        }
        let mut left = operands.logic(0, "a")?;
        for at in 1..operands.args.len() {
            let right = operands.logic(at, "b")?;
            left = self.logic(|out| Node::Join(op, left, right, out));
        }
        Ok(Place::Logic(left))
    }

    fn column(&mut self, node: &NodeSpec, operands: &Operands<'_>) -> Checks<Place> {
        operands.wanted(&[])?;
        let name = node
            .settings
            .get("name")
            .and_then(Value::as_str)
            .ok_or("setting `name` must be a text")?;
        let (place, kind) = match node.kind.as_str() {
            "logic" if name == "always" => return Ok(Place::Logic(self.arenas.logic(1))),
            "number" if name == "time" => return Ok(Place::Number(self.number(Node::Time))),
            "number" => (Place::Number(self.arenas.number(f64::NAN)), Kind::Number),
            "logic" => (Place::Logic(self.arenas.logic(0)), Kind::Logic),
            "id" => (Place::Id(self.arenas.id(0)), Kind::Id),
            other => return Err(format!("kind {other} is none of number, logic, id")),
        };
        let input = Input {
            name: name.into(),
            kind,
        };
        let at = self
            .inputs
            .iter()
            .position(|known| *known == input)
            .unwrap_or_else(|| {
                self.inputs.push(input);
                self.inputs.len() - 1
            });
        self.nodes.push(Node::Input(at, place));
        Ok(place)
    }

    fn constant(&mut self, node: &NodeSpec, operands: &Operands<'_>) -> Checks<Place> {
        operands.wanted(&[])?;
        let value = node.settings.get("value").unwrap_or(&Value::Null);
        let place = match node.kind.as_str() {
            "number" => value
                .as_f64()
                .filter(|value| value.is_finite())
                .map(|value| Place::Number(self.arenas.number(value))),
            "logic" => value
                .as_i64()
                .filter(|value| (-1..=1).contains(value))
                .map(|value| Place::Logic(self.arenas.logic(value as i8))),
            "id" => value.as_u64().map(|value| Place::Id(self.arenas.id(value))),
            _ => None,
        };
        place.ok_or_else(|| format!("setting `value` is no {}", node.kind))
    }

    fn asked(&self, node: &NodeSpec, operands: &Operands<'_>) -> Checks<Option<Vec<LogicAt>>> {
        let Some(asked) = &node.asked else {
            return Ok(None);
        };
        let conditions = Operands {
            places: operands.places,
            args: asked,
        };
        (0..asked.len())
            .map(|at| conditions.logic(at, "asked"))
            .collect::<Checks<Vec<_>>>()
            .map(Some)
    }

    /// Takes cells in a table for a kernel; `by` must be the node that the table is keyed by.
    fn place_in(
        &mut self,
        spec: &PlanSpec,
        table: Option<usize>,
        by: Option<usize>,
        (identity, cells, spills): (String, usize, bool),
    ) -> Checks<(usize, usize)> {
        let table = table
            .filter(|&table| table < spec.tables.len())
            .ok_or("it names no table")?;
        if by.is_some_and(|by| by != spec.tables[table].key) {
            return Err(format!("operand `by` is not the key of table {table}"));
        }
        let shape = &mut self.shapes[table];
        if shape.key.0 == usize::MAX {
            return Err(format!(
                "the key of table {table} is no id that comes before"
            ));
        }
        let cell = shape.cells;
        shape.cells += cells;
        if spills {
            shape.handles.push(cell);
        }
        shape.sections.push(Section {
            identity,
            cell,
            cells,
            spills,
        });
        Ok((table, cell))
    }

    fn tally(
        &mut self,
        spec: &PlanSpec,
        node: &NodeSpec,
        operands: &Operands<'_>,
    ) -> Checks<Place> {
        let Some(declared) = TALLIES.iter().find(|tally| tally.name == node.op) else {
            return Err("no such kernel".into());
        };
        let mut at = 0;
        let mut operand = None;
        if let Some(kind) = declared.kind {
            operands.wanted(&[declared.operand, "by", "where"])?;
            operand = Some(operands.of_kind(0, declared.operand, kind)?);
            at = 1;
        } else {
            operands.wanted(&["by", "where"])?;
        }
        let (by, counted) = (operands.id(at, "by")?, operands.logic(at + 1, "where")?);
        let kernel = Kernel::build(&node.op, &Settings(&node.settings))?;
        let asked = self.asked(node, operands)?;
        let (table, cell) = self.place_in(
            spec,
            node.table,
            Some(node.args[at]),
            (node.identity.clone(), declared.cells, declared.spills),
        )?;
        let out = match declared.answer {
            Kind::Number => Place::Number(self.arenas.number(f64::NAN)),
            Kind::Logic => Place::Logic(self.arenas.logic(0)),
            Kind::Id => Place::Id(self.arenas.id(0)),
        };
        self.nodes.push(Node::Tally(Tally {
            kernel,
            operand,
            by,
            counted,
            asked,
            table,
            cell,
            out,
        }));
        Ok(out)
    }

    /// The columns before the last `count` operands.
    fn leading(operands: &Operands<'_>, count: usize) -> Checks<usize> {
        match operands.args.len().checked_sub(count) {
            Some(leading) if leading > 0 => Ok(leading),
            _ => Err(format!("more than {count} operands are wanted")),
        }
    }

    fn trees(
        &mut self,
        spec: &PlanSpec,
        node: &NodeSpec,
        operands: &Operands<'_>,
    ) -> Checks<Place> {
        let count = Self::leading(operands, 3)?;
        let features = (0..count).map(|at| operands.number(at, "feature"));
        let features = features.collect::<Checks<Vec<_>>>()?;
        let forest = Forest::build(&Settings(&node.settings), count)?;
        let settings = Settings(&node.settings);
        let instead = settings.integer("instead", -1, count as i64 - 1)?;
        let value = settings.number("value", Some(0.0))?;
        let remembered = Remembered {
            by: operands.id(count, "by")?,
            taught_by: Some(operands.id(count + 1, "taught_by")?),
            counted: operands.logic(count + 2, "where")?,
        };
        let asked = self.asked(node, operands)?;
        let by = Some(node.args[count]);
        let kept = (node.identity.clone(), half_space_trees::CELLS, true);
        let (table, cell) = self.place_in(spec, node.table, by, kept)?;
        Ok(Place::Number(self.number(|out| {
            Node::Trees(Box::new(Trees {
                forest,
                features,
                instead: usize::try_from(instead).ok().map(|at| (at, value)),
                remembered,
                asked,
                table,
                cell,
                out,
            }))
        })))
    }

    /// One answer; the first node of a watch makes it.
    fn conduct(
        &mut self,
        spec: &PlanSpec,
        node: &NodeSpec,
        operands: &Operands<'_>,
    ) -> Checks<Place> {
        operands.wanted(&[
            "path",
            "parent",
            "stem",
            "shape",
            "endpoint",
            "among",
            "refused",
            "asset",
            "automatic",
            "nested",
            "by",
            "taught_by",
            "where",
        ])?;
        let id = |at: usize| operands.id(at, "path, parent, stem, shape, endpoint, among");
        let logic = |at: usize| operands.logic(at, "refused, asset, automatic, nested");
        let reads = Reads {
            ids: [id(0)?, id(1)?, id(2)?, id(3)?, id(4)?, id(5)?],
            logics: [logic(6)?, logic(7)?, logic(8)?, logic(9)?],
            remembered_by: operands.id(10, "by")?,
            taught_by: operands.id(11, "taught_by")?,
            counted: operands.logic(12, "where")?,
        };
        let name = node.settings.get("part").and_then(Value::as_str);
        let part = name
            .and_then(conduct::Part::named)
            .ok_or("setting `part` must name an answer")?;
        let asked = self.asked(node, operands)?;
        let known = self.watches.iter().position(|watch| watch.reads == reads);
        let watch = match known {
            Some(known) => known,
            None => {
                let identity = node.identity.clone();
                let usual = if identity.is_empty() {
                    String::new()
                } else {
                    format!("usual {identity}")
                };
                let kept = (identity, conduct::person::CELLS, false);
                let sessions = self.place_in(spec, node.table, Some(node.args[10]), kept)?;
                let learned = (usual, USUAL_CELLS, true);
                let usual = self.place_in(spec, node.pending, Some(node.args[4]), learned)?;
                if sessions.0 == usual.0 {
                    return Err("`by` and `endpoint` must differ".into());
                }
                self.watches.push(Watch::new(reads, sessions, usual));
                self.nodes.push(Node::Watch(self.watches.len() - 1));
                self.watches.len() - 1
            }
        };
        Ok(Place::Number(self.number(|out| {
            Node::Part(Part {
                watch,
                part,
                asked,
                out,
            })
        })))
    }

    fn outside(&mut self, node: &NodeSpec, operands: &Operands<'_>) -> Checks<Place> {
        let keyed = match node.op.as_str() {
            "apply" => 0,
            "fold" => 2,
            _ => 3,
        };
        let count = Self::leading(operands, keyed)?;
        let columns = (0..count).map(|at| operands.place(at, "column"));
        let columns = columns.collect::<Checks<Vec<_>>>()?;
        let remembered = match keyed {
            0 => None,
            _ => Some(Remembered {
                by: operands.id(count, "by")?,
                taught_by: match keyed {
                    3 => Some(operands.id(count + 1, "taught_by")?),
                    _ => None,
                },
                counted: operands.logic(count + keyed - 1, "where")?,
            }),
        };
        let asked = self.asked(node, operands)?;
        let function = Settings(&node.settings).integer("function", 0, 65_535)? as usize;
        Ok(Place::Number(self.number(|out| {
            Node::Outside(Box::new(OutsideNode {
                function,
                operands: columns,
                remembered,
                asked,
                out,
            }))
        })))
    }

    fn ask(
        &mut self,
        spec: &PlanSpec,
        node: &NodeSpec,
        operands: &Operands<'_>,
        question: Question,
    ) -> Checks<Place> {
        let state = question.state();
        let (name, kind) = state.operand();
        operands.wanted(&[name, "by", "taught_by", "where"])?;
        let (value, by) = (operands.of_kind(0, name, kind)?, operands.id(1, "by")?);
        let (taught_by, counted) = (operands.id(2, "taught_by")?, operands.logic(3, "where")?);
        let settings = Settings(&node.settings);
        let window = settings.integer("window", SECOND, window::LONGEST)?;
        if window % SECOND != 0 {
            return Err("setting `window` must be a multiple of a second, because baselines learn at whole seconds".into());
        }
        let asked = self.asked(node, operands)?;
        let (table, pending) = (
            node.table.unwrap_or(usize::MAX),
            node.pending.unwrap_or(usize::MAX),
        );
        let known = self.baselines.iter().position(|known| {
            (known.state, known.value, known.by) == (state, value, by)
                && (known.taught_by, known.counted) == (taught_by, counted)
                && (known.window, known.table, known.pending) == (window, table, pending)
        });
        let baseline = match known {
            Some(known) => known,
            None => {
                let identity = node.identity.clone();
                let waits = if identity.is_empty() {
                    String::new()
                } else {
                    format!("pending {identity}")
                };
                let learned = (identity.clone(), state.cells(), true);
                let (table, cell) = self.place_in(spec, node.table, Some(node.args[1]), learned)?;
                let waiting = (waits, learned::PENDING_CELLS, false);
                let (pending, pending_cell) = self
                    .place_in(spec, node.pending, None, waiting)
                    .map_err(|what| format!("pending: {what}"))?;
                self.baselines.push(Baseline {
                    identity,
                    state,
                    value,
                    by,
                    taught_by,
                    counted,
                    window,
                    table,
                    cell,
                    pending,
                    pending_cell,
                });
                self.baselines.len() - 1
            }
        };
        let teaches = known.is_none();
        Ok(Place::Number(self.number(|out| {
            Node::Ask(Ask {
                question,
                baseline,
                teaches,
                asked,
                out,
            })
        })))
    }
}
