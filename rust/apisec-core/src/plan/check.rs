//! From the plan's text to nodes: kinds, arity, order, settings and tables are verified here, once.

mod remembering;

use serde_json::Value;

use super::columns::Arenas;
use super::conduct::Watch;
use super::node::{Baseline, IdAt, Input, LogicAt, Node, NumberAt, Place};
use super::pointwise::{Binary, Compare, Join, Unary};
use super::spec::{Error, NodeSpec, PlanSpec, VERSION};
use crate::kernels::learned::Question;
use crate::kernels::{Kind, Settings, TALLIES};
use crate::table::snapshot::Section;

/// Nodes and operands of a plan at most: each may hold a column of 4 kB.
const LARGEST: usize = 32_768;

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
}
