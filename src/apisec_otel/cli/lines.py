"""`replay --format json`: one object a line; nothing else goes to standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import TextIO

import numpy as np

from apisec_otel.cli.judged import Rows, Summary, Told, rfc3339
from apisec_otel.cli.session_book import SessionTotals
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.rows import Mark, marked
from apisec_otel.receivers.otlp_json_file import Fault


class JsonLines:
    """Writes request, finding, incident, session and summary lines; a finding stands behind its request."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._quoted: dict[str, str] = {}

    def batch(
        self,
        rows: Rows,
        findings: Sequence[Finding],
        ended: Sequence[tuple[int, SessionTotals]] = (),
        told: Sequence[tuple[int, Told]] = (),
    ) -> None:
        """A line for each request, and for each finding, suppressed ones too; a session's stands where it ended.

        A change of an incident stands behind the requests that it follows from.
        """
        found: dict[int, list[Finding]] = {}
        for finding in findings:
            found.setdefault(finding.row, []).append(finding)
        detectors = self._detectors(rows)
        lines: list[str] = []
        gone, news = list(reversed(ended)), list(reversed(told))
        columns = zip(
            range(len(rows)),
            rows.index.tolist(),
            rows.records["start"].tolist(),
            rows.hexadecimal("trace_id"),
            rows.hexadecimal("span_id"),
            self._merged(rows),
            rows.records["session"].tolist(),
            rows.names,
            rows.best.tolist(),
            detectors,
            rows.learning.tolist(),
            strict=True,
        )
        for at, row, start, trace, span, merged, session, name, score, scores, learning in columns:
            while news and news[-1][0] <= at:
                lines.append(_told(news.pop()[1]))
            while gone and gone[-1][0] <= at:
                lines.append(_session(gone.pop()[1]))
            lines.append(
                f'{{"type":"request","time":"{rfc3339(start)}","trace_id":"{trace}","span_id":"{span}","merged":{merged},'
                f'"session":{_key(session)},"endpoint":{self._quote(name)},"score":{_number(score)},'
                f'"detectors":{scores},"learning":{"true" if learning else "false"}}}\n'
            )
            for finding in found.get(row, ()):
                lines.append(_finding(finding))
        lines += [_told(each) for _, each in reversed(news)]
        lines += [_session(totals) for _, totals in reversed(gone)]
        self._out.writelines(lines)

    def told(self, told: Told) -> None:
        """A line for a change of an incident, or for a finding on no request."""
        self._out.write(_told(told))

    def session(self, totals: SessionTotals) -> None:
        """A line for a session that has ended."""
        self._out.write(_session(totals))

    def fault(self, fault: Fault) -> None:
        """Faults stand on standard error and in the summary."""

    def end(self, summary: Summary) -> None:
        """The last line."""
        stated = {
            "type": "summary",
            "spans": summary.spans,
            "requests": summary.requests,
            "sessions": summary.sessions,
            "findings": summary.findings,
            "incidents": summary.incidents,
            "suppressed": summary.suppressed,
            "shadow": summary.shadow(),
            "decode_errors": summary.decode_errors,
            "late": summary.late,
            "evicted": summary.evicted,
            "seconds": summary.seconds,
        }
        self._out.write(json.dumps(stated, separators=(",", ":")) + "\n")
        self._out.flush()

    def _merged(self, rows: Rows) -> list[str]:
        """The span of each request's gateway, as a JSON list."""
        joined = marked(rows.records, Mark.JOINED)
        if not joined.any():
            return ["[]"] * len(rows)
        parents = zip(joined.tolist(), rows.hexadecimal("parent_id"), strict=True)
        return [f'["{parent}"]' if both else "[]" for both, parent in parents]

    def _detectors(self, rows: Rows) -> list[str]:
        """The scores of each request as a JSON object."""
        names = [json.dumps(detector) for detector in rows.scores]
        nothing = "{" + ",".join(f"{name}:0" for name in names) + "}"
        loud = [scores != 0 for scores in rows.scores.values()]
        quiet = (~np.logical_or.reduce(loud)).tolist() if loud else [True] * len(rows)
        table = zip(*(scores.tolist() for scores in rows.scores.values()), strict=True) if names else [()] * len(rows)
        return [
            nothing if silent else "{" + ",".join(f"{name}:{_number(score)}" for name, score in zip(names, scores, strict=True)) + "}"
            for silent, scores in zip(quiet, table, strict=True)
        ]

    def _quote(self, name: str) -> str:
        quoted = self._quoted.get(name)
        if quoted is None:
            if len(self._quoted) > 65_536:
                self._quoted.clear()
            quoted = self._quoted[name] = encode_basestring(name)
        return quoted


def _told(told: Told) -> str:
    if isinstance(told, Finding):
        return _finding(told)
    if told.suppressed:
        return ""
    stated = {
        "type": "incident",
        "id": told.id,
        "time": rfc3339(told.time),
        "state": told.state,
        "severity": told.level.word,
        "findings": told.findings,
    }
    return json.dumps(stated, separators=(",", ":")) + "\n"


def _finding(finding: Finding) -> str:
    stated = {
        "type": "finding",
        "id": finding.id,
        "time": rfc3339(finding.start),
        "detector": finding.detector,
        "severity": finding.level.word,
        "trace_id": finding.trace_id.hex() or None,
        "span_id": finding.span_id.hex() or None,
        "evidence_span_id": finding.evidence_span_id.hex() or None,
        "session": f"{finding.session:016x}" if finding.session else None,
        "entity": {"type": finding.entity_kind, "id": f"{finding.entity:016x}"} if finding.entity else None,
        "endpoint": finding.endpoint_name,
        "score": round(finding.score, 6),
        "reason": finding.reason,
        "suppressed": finding.suppressed,
    }
    return json.dumps(stated, ensure_ascii=False, separators=(",", ":")) + "\n"


def _session(totals: SessionTotals) -> str:
    return (
        f'{{"type":"session","session":{_key(totals.key)},"first_time":"{rfc3339(totals.first)}",'
        f'"last_time":"{rfc3339(totals.last)}","requests":{totals.requests},"score":{_number(totals.score)}}}\n'
    )


def _key(key: int) -> str:
    return f'"{key:016x}"' if key else "null"


def _number(score: float) -> str:
    return repr(round(score, 6)) if score else "0"
