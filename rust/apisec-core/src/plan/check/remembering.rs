//! Nodes that remember: their operands, and the cells that they take in tables.

use serde_json::Value;

use super::{Checked, Checks, Operands};
use crate::kernels::conduct;
use crate::kernels::half_space_trees::{self, Forest};
use crate::kernels::learned::{self, Question};
use crate::kernels::{Kernel, Kind, Settings, TALLIES, window};
use crate::plan::conduct::{Part, Reads, USUAL_CELLS, Watch};
use crate::plan::node::{Ask, Baseline, LogicAt, Node, OutsideNode, Place, Tally, Trees};
use crate::plan::outside::Remembered;
use crate::plan::spec::{NodeSpec, PlanSpec};
use crate::table::snapshot::Section;

const SECOND: i64 = 1_000_000_000;

impl Checked {
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

    pub(super) fn tally(
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

    pub(super) fn trees(
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
    pub(super) fn conduct(
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

    pub(super) fn outside(&mut self, node: &NodeSpec, operands: &Operands<'_>) -> Checks<Place> {
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

    pub(super) fn ask(
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
