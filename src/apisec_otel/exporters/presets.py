"""What a webhook is sent: a CloudEvent, or the body that Slack or PagerDuty takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from apisec_otel.exporters.notice import Notice, rfc3339

Preset = Literal["cloudevents", "slack", "pagerduty"]

PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"
"""Where PagerDuty's Events API v2 takes events."""
LONGEST: Final = 1024
"""Characters of PagerDuty's summary; Slack's sections take 3,000."""
_GRADES: Final = {"info": "info", "low": "warning", "medium": "warning", "high": "error", "critical": "critical"}
_NOTHING: Final[tuple[object, ...]] = ("", [], (), 0.0)
_ACTIONS: Final = {"open": "trigger", "updated": "trigger", "closed": "resolve"}


def cloudevent(notice: Notice, link: str) -> dict[str, Any]:
    """CloudEvents 1.0, JSON format: the incident is the subject, each change an event of its own."""
    data: Mapping[str, Any] = {**notice.row(), "time": rfc3339(notice.time), "first": rfc3339(notice.first), "link": link}
    return {
        "specversion": "1.0",
        "id": notice.key,
        "source": "apisec-otel",
        "type": f"apisec.incident.{notice.state}",
        "subject": notice.id,
        "time": rfc3339(notice.time),
        "datacontenttype": "application/json",
        "data": {name: value for name, value in data.items() if value not in _NOTHING},
    }


def slack(notice: Notice, link: str) -> dict[str, Any]:
    """A message of an incoming webhook. What callers chose is text in it: neither link nor mention, in the header neither emoji."""
    word = "closed" if notice.state == "closed" else notice.severity
    title = f"[{word}] {notice.endpoint or notice.service or 'API incident'}"
    facts = [
        f"*Detectors*: {', '.join(notice.detectors) or notice.detector}",
        f"*{notice.entity_type or 'Entity'}*: {notice.entity_id or '?'}",
    ]
    links = [f"<{url}|{name}>" for url, name in ((link, "trace"), (notice.runbook, "playbook")) if url]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": False}},
        {"type": "section", "text": _verbatim(_escaped(notice.story or title)[:3000])},
        {"type": "context", "elements": [_verbatim(each[:2000]) for each in (*map(_escaped, facts), *links)]},
    ]
    return {"text": _escaped(f"{title}: {notice.story}")[:3000], "blocks": blocks}


def pagerduty(notice: Notice, link: str, routing_key: str) -> dict[str, Any]:
    """An event of the Events API v2: all changes of an incident are one alert, by its id."""
    known = {"component": notice.endpoint, "group": notice.service, "class": ", ".join(notice.owasp)}
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": _ACTIONS[notice.state],
        "dedup_key": notice.id,
        "client": "apisec-otel",
        "payload": {
            "summary": (notice.story or f"{notice.detector} on {notice.endpoint}")[:LONGEST],
            "source": notice.service or "apisec-otel",
            "severity": _GRADES[notice.severity],
            "timestamp": rfc3339(notice.time),
            **{name: value for name, value in known.items() if value},
            "custom_details": {name: value for name, value in notice.row().items() if value not in _NOTHING},
        },
    }
    links = [{"href": url, "text": name} for url, name in ((link, "trace"), (notice.runbook, "playbook")) if url]
    return event | ({"links": links} if links else {})


def _verbatim(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str) -> str:
    """Slack's three control characters: a caller's name must not become a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
