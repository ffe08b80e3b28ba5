"""The executor of the oracle: one row after the other, every node in order, ticks between rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apisec_otel.testing.reference.plan.conduct import CONDUCT, SESSION_WORDS, USUAL_WORDS, Watch, missing
from apisec_otel.testing.reference.plan.learned import PENDING_WORDS, QUESTIONS, LearnedCells, Pending
from apisec_otel.testing.reference.plan.outside import KEYED, OUTSIDE, TREES, Trees, words_of
from apisec_otel.testing.reference.plan.pointwise import NAN, POINTWISE, Value
from apisec_otel.testing.reference.plan.table import SECOND, Table
from apisec_otel.testing.reference.plan.tallies import TALLIES, TallyCells

_SEGMENT = 512
_FLAGGED = 24 * 3600 * SECOND
_MOST_FLAGGED = 65_536
_MISSING: dict[str, Value] = {"number": NAN, "logic": 0, "id": 0}

RaisedRow = tuple[int, int, float, int, int, list[tuple[float, float]]]


@dataclass
class ReferenceAnswers:
    """What the rows of one call raised, and the value of every node in every row."""

    raised: list[RaisedRow] = field(default_factory=list)
    values: list[list[Value]] = field(default_factory=list)
    """One list a row, one value a node."""
    scores: list[list[float]] = field(default_factory=list)
    """One list a row, one score a signal; only with ask_all."""
    learning: list[bool] = field(default_factory=list)
    """Whether a baseline of the row lacked teachers; only with ask_all."""


class Reference:
    """A plan and its state. Rows are dicts: `time` (stream time, ns), perhaps `late`, and columns; an absent column is missing."""

    def __init__(self, spec: str, functions: Sequence[Any] = ()) -> None:
        plan = json.loads(spec)
        self.nodes: list[dict[str, Any]] = plan["nodes"]
        self.signals: list[dict[str, Any]] = plan["signals"]
        self.tables = [Table(table["bytes"], table["expiry"]) for table in plan["tables"]]
        self._keys: list[int] = [table["key"] for table in plan["tables"]]
        self._histograms = self._shared_histograms()
        self._watching = self._shared_watches()
        self._watches = {owner: Watch(owner, self._is_flagged) for owner in self._watching.values()}
        self._watched: dict[int, dict[str, float]] = {}
        self._count_words()
        self._second: int | None = None
        self._in_segment = 0
        self._row_number = 0
        self._flagged: dict[int, int] = {}
        self._flagging: list[int] = []
        self._functions = [OUTSIDE[type(function).__name__](function) for function in functions]

    def run(self, rows: Iterable[Mapping[str, Any]], ask_all: bool = False) -> ReferenceAnswers:
        """Every row in order. Calling once with all rows, or many times with some, answers the same."""
        answers = ReferenceAnswers()
        for index, row in enumerate(rows):
            self._boundary(row["time"])
            values, learning = self._row(row, ask_all)
            answers.values.append(values)
            scores = [self._judge(answers, index, position, values) for position in range(len(self.signals))]
            if ask_all:
                answers.scores.append(scores)
                answers.learning.append(learning)
            self._row_number += 1
        return answers

    def _shared_histograms(self) -> dict[int, int]:
        """For each baseline node the first node that has the same state; cells lie under that one."""
        first: dict[tuple[Any, ...], int] = {}
        return {
            index: first.setdefault((QUESTIONS[node["op"]].make, *node["args"], node["settings"]["window"]), index)
            for index, node in enumerate(self.nodes)
            if node["op"] in QUESTIONS
        }

    def _shared_watches(self) -> dict[int, int]:
        """For each part of a conduct the first that has the same operands."""
        first: dict[tuple[int, ...], int] = {}
        return {at: first.setdefault(tuple(node["args"]), at) for at, node in enumerate(self.nodes) if node["op"] == CONDUCT}

    def _is_flagged(self, entity: int, time: int) -> bool:
        return time < self._flagged.get(entity, 0)

    def _count_words(self) -> None:
        for index, node in enumerate(self.nodes):
            if node["op"] in TALLIES:
                self.tables[node["table"]].words += TALLIES[node["op"]][1]
            elif self._watching.get(index) == index:
                self.tables[node["table"]].words += SESSION_WORDS
                self.tables[node["pending"]].words += USUAL_WORDS
            elif node["op"] == TREES:
                self.tables[node["table"]].words += words_of()
            elif self._histograms.get(index) == index:
                self.tables[node["table"]].words += QUESTIONS[node["op"]].words
                self.tables[node["pending"]].words += PENDING_WORDS

    def _boundary(self, time: int) -> None:
        """What happens between two rows."""
        second = time // SECOND
        ticks = self._second is not None and second > self._second
        if ticks and self._second is not None:
            self._take_flags((self._second + 1) * SECOND)
            self._teach(second * SECOND)
            for owner, watch in self._watches.items():
                watch.tick(second * SECOND, self.tables[self.nodes[owner]["table"]], self.tables[self.nodes[owner]["pending"]])
            self._forget_flags(second * SECOND)
        if ticks or self._in_segment == _SEGMENT:
            for table in self.tables:
                table.settle()
            self._in_segment = 0
        if ticks:
            for table in self.tables:
                table.expire(second * SECOND)
        self._second = second
        self._in_segment += 1

    def _take_flags(self, since: int) -> None:
        """What was raised in the second that ended at `since` is flagged for a day."""
        for entity in self._flagging:
            self._flagged.pop(entity, None)
            self._flagged[entity] = since + _FLAGGED
            if len(self._flagged) > _MOST_FLAGGED:
                del self._flagged[next(iter(self._flagged))]
        self._flagging.clear()

    def _forget_flags(self, now: int) -> None:
        self._flagged = {entity: until for entity, until in self._flagged.items() if until > now}

    def _teach(self, now: int) -> None:
        """Windows that are over close in order of their ends, each at its end, however late that is noticed."""
        closed: list[tuple[int, int, int, Pending]] = []
        for owner in sorted(set(self._histograms.values())):
            node = self.nodes[owner]
            for entry in self.tables[node["pending"]].entries.values():
                pending: Pending | None = entry.cells.get(-owner - 1)
                if pending and now >= (end := (pending.window + 1) * node["settings"]["window"]):
                    closed.append((end, owner, pending.order, pending))
                    del entry.cells[-owner - 1]
        for end, owner, _, pending in sorted(closed, key=lambda one: one[:3]):
            if end >= self._flagged.get(pending.teacher, 0):
                cells = self.tables[self.nodes[owner]["table"]].visit(pending.by, end).cells
                cells.setdefault(owner, QUESTIONS[self.nodes[owner]["op"]].make()).learn(pending.value, pending.teacher, end)

    def _row(self, row: Mapping[str, Any], ask_all: bool) -> tuple[list[Value], bool]:
        values: list[Value] = []
        learning = False
        for index, node in enumerate(self.nodes):
            args = [values[arg] for arg in node["args"]]
            if node["op"] == "column":
                values.append(self._column(node, row))
            elif node["op"] == "constant":
                values.append(float(node["settings"]["value"]))
            elif node["op"] in POINTWISE:
                values.append(POINTWISE[node["op"]](*args))
            else:
                asked = ask_all or node["asked"] is None or any(values[mask] == 1 for mask in node["asked"])
                if node["op"] in TALLIES:
                    answer = self._tally(index, node, args, row)
                elif node["op"] == TREES:
                    answer, lacking = self._trees(index, node, args, row, asked=asked)
                    learning = learning or (asked and lacking)
                elif node["op"] == CONDUCT:
                    answer = self._conduct(index, node, args, row)
                elif node["op"] in KEYED:
                    answer = self._outside(node, args, row)
                else:
                    answer, lacking = self._baseline(index, node, values, row)
                    learning = learning or (asked and lacking)
                values.append(answer if asked else _MISSING[node["kind"]])
        return values, learning

    def _column(self, node: Mapping[str, Any], row: Mapping[str, Any]) -> Value:
        name = node["settings"]["name"]
        if name == "always":
            return 1
        if name == "time":
            return float(row["time"]) / 1e9
        value: Value = row.get(name, _MISSING[node["kind"]])
        return float(value) if node["kind"] == "number" else value

    def _tally(self, index: int, node: Mapping[str, Any], args: list[Value], row: Mapping[str, Any]) -> Value:
        make, _ = TALLIES[node["op"]]
        *operand, by, where = args
        table, key, time = self.tables[node["table"]], int(by), row["time"]
        if key == 0:
            return _MISSING[node["kind"]]
        blank = make(node["settings"])
        value = operand[0] if operand else 1
        before: Value = (table.cells(key, index) or blank).answer_to(time, value)
        if where == 1 and not row.get("late") and blank.counts(value):
            table.visit(key, time).cells.setdefault(index, blank).count(time, value)
        kept: TallyCells = table.cells(key, index) or blank
        return before if kept.answers_first else kept.answer_to(time, value)

    def _trees(self, index: int, node: Mapping[str, Any], args: list[Value], row: Mapping[str, Any], *, asked: bool) -> tuple[float, bool]:
        *features, by, teacher, where = args
        if by == 0 or all(math.isnan(value) for value in features):
            return NAN, False
        table = self.tables[node["table"]]
        kept: Trees | None = table.cells(int(by), index)
        answer = kept.score(features) if kept and asked else NAN
        if where == 1 and self._teaches(int(teacher), row):
            cells = table.visit(int(by), row["time"]).cells
            cells.setdefault(index, kept or Trees(node["settings"], len(features))).learn(features)
        return answer, math.isnan(answer)

    def _conduct(self, index: int, node: Mapping[str, Any], args: list[Value], row: Mapping[str, Any]) -> float:
        owner = self._watching[index]
        if owner == index:
            self._watched[owner] = self._watches[owner].row(args, row, self.tables[node["table"]], self.tables[node["pending"]])
        return missing(self._watched[owner], node["settings"]["part"])

    def _outside(self, node: Mapping[str, Any], args: list[Value], row: Mapping[str, Any]) -> float:
        kind, function = node["op"], self._functions[node["settings"]["function"]]
        columns = args[: len(args) - KEYED[kind]]
        operands = [node["args"][at] for at in range(len(columns))]
        values = [_plain(value, self.nodes[operand]["kind"]) for value, operand in zip(columns, operands, strict=True)]
        by, where = (int(args[len(columns)]), args[-1]) if KEYED[kind] else (0, 0)
        teaches = self._teaches(int(args[-2]), row) if kind == "model" else not row.get("late")
        return float(function.answer(values, by, where == 1 and teaches))

    def _teaches(self, teacher: int, row: Mapping[str, Any]) -> bool:
        return teacher != 0 and not row.get("late") and row["time"] >= self._flagged.get(teacher, 0)

    def _baseline(self, index: int, node: Mapping[str, Any], values: list[Value], row: Mapping[str, Any]) -> tuple[float, bool]:
        question = QUESTIONS[node["op"]]
        args = [values[arg] for arg in node["args"]]
        value, by, teacher, where = args[0], int(args[1]), int(args[2]), args[3]
        window = row["time"] // node["settings"]["window"]
        said = question.said(value)
        owner = self._histograms[index]
        if owner == index and where == 1 and by and teacher and said is not None and not row.get("late"):
            key = int(values[self._keys[node["pending"]]])
            self._remember(owner, Pending(window, said, by, teacher, self._row_number), key, row["time"])
        if by == 0 or (question.asks and said is None):
            return NAN, False
        kept: LearnedCells | None = self.tables[node["table"]].cells(by, owner)
        if kept is None or not kept.supported():
            return NAN, True
        return question.answer(kept, node["settings"], value), False

    def _remember(self, owner: int, new: Pending, key: int, time: int) -> None:
        node = self.nodes[owner]
        pending = self.tables[node["pending"]].visit(key, time).cells.setdefault(-owner - 1, new)
        if QUESTIONS[node["op"]].better(new.value, pending.value, pending.window):
            pending.value = new.value

    def _judge(self, answers: ReferenceAnswers, index: int, position: int, values: list[Value]) -> float:
        """The score of one signal on one row; what is raised is written down and flags its entity from the next tick."""
        signal = self.signals[position]
        q = signal["q"]
        p = NAN if signal["p"] is None else float(values[signal["p"]])
        p = p if math.isnan(p) else min(1.0, max(0.0, p))
        raised = p < q if signal["when"] is None else values[signal["when"]] == 1
        if not raised:
            return 0.0 if math.isnan(p) else _score(p)
        p = q if math.isnan(p) else p
        entity = int(values[signal["entity"]])
        evidence = [(float(values[seen]), NAN if usual is None else float(values[usual])) for _, seen, usual in signal["evidence"]]
        answers.raised.append((index, position, p, self._severity(signal["severity"], values), entity, evidence))
        if signal["flags"] and entity:
            self._flagging.append(entity)
        return _score(p)

    def _severity(self, severity: Mapping[str, int], values: list[Value]) -> int:
        if "level" in severity:
            return severity["level"]
        value = values[severity["node"]]
        return 0 if math.isnan(value) else min(4, max(0, math.trunc(value)))


def _plain(value: Value, kind: str) -> float | bool | None:
    if kind == "logic":
        return None if value == 0 else value > 0
    return None if math.isnan(value) else value


def _score(p: float) -> float:
    return min(1.0, max(0.0, -math.log10(max(p, 1e-300)) / 12))
