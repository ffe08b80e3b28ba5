"""docs/reference/metrics.md: what apisec-otel tells of itself, and what it sends."""

from apisec_otel import semconv
from apisec_otel.telemetry import UNITS
from docs.pages import markdown

INTRO = """\
## Its own metrics

Prometheus text on `http://127.0.0.1:8888/metrics` (`service::telemetry::metrics`), with the Collector's names where it has
one. Prometheus sees `_total` behind every counter."""

SPAN_COUNTS = "by `receiver`, `transport`; refused ones by `reason` too"
SENT = "by `exporter`; failed ones by `reason` too"

SELF: dict[str, tuple[str, str]] = {
    "otelcol_receiver_accepted_spans": ("counter", f"Spans answered with success, {SPAN_COUNTS}."),
    "otelcol_receiver_accepted_log_records": ("counter", "Requests of logs are not opened: 0."),
    "otelcol_receiver_accepted_metric_points": ("counter", "Requests of metrics are not opened: 0."),
    "otelcol_receiver_accepted_requests": ("counter", "Requests answered with success, by `receiver`, `transport`, `otel.signal`."),
    "otelcol_receiver_refused_spans": ("counter", f"Spans refused, {SPAN_COUNTS}; 0 for requests that could not be read."),
    "otelcol_receiver_refused_log_records": ("counter", "As accepted ones."),
    "otelcol_receiver_refused_metric_points": ("counter", "As accepted ones."),
    "otelcol_receiver_refused_requests": ("counter", "Requests refused, by `receiver`, `transport`, `otel.signal`, `reason`."),
    "otelcol_exporter_sent_spans": ("counter", f"Spans that the backend took, {SENT}."),
    "otelcol_exporter_sent_log_records": ("counter", "As received ones; of pagers, changes of incidents that were taken."),
    "otelcol_exporter_sent_metric_points": ("counter", "As received ones."),
    "otelcol_exporter_send_failed_spans": ("counter", f"Spans that the backend did not take, {SENT}; the sender was told."),
    "otelcol_exporter_send_failed_log_records": ("counter", "As received ones; of pagers, changes that were refused for good."),
    "otelcol_exporter_send_failed_metric_points": ("counter", "As received ones."),
    "otelcol_exporter_withheld_spans": (
        "counter",
        "Spans in a loop: the backend had acknowledged them and sent them back; answered and not sent again, by `exporter`.",
    ),
    "otelcol_processor_incoming_items": ("counter", "Spans handed to a processor, by `processor`."),
    "otelcol_processor_outgoing_items": ("counter", "Spans that a processor was done with; less than incoming where it failed or refused."),
    "otelcol_process_uptime": ("counter", "Time since the start."),
    "otelcol_process_memory_rss": ("gauge", "Resident memory."),
    "otelcol_process_cpu_seconds": ("counter", "Processor time."),
    "apisec_requests": ("counter", "API requests observed."),
    "apisec_repeats": ("counter", "Request spans that came again, from a sender that tried again: not counted twice."),
    "apisec_requests_merged": ("counter", "Calls of which a gateway and an application told: counted once."),
    "apisec_calls_bytes": ("gauge", "Memory of calls of which one service has told and another may, in bytes."),
    "apisec_payload_entries": ("gauge", "What is learned of payloads, by `table`: parameters, paths, names, scores."),
    "apisec_payload_bytes": ("gauge", "Its memory, by `table`."),
    "apisec_payload_evicted": ("counter", "Entries forgotten for want of room (`payloads::max_bytes`), by `table`."),
    "apisec_payload_expired": ("counter", "Entries forgotten because nobody asked for 30 days, by `table`."),
    "apisec_payload_untaught": ("counter", "Requests that taught nothing, for too many came in one second."),
    "apisec_payload_cut": ("counter", "Items that were not looked at, for their request has more than 64."),
    "apisec_repeated_ids": ("counter", "Ids that came again on a span with another start: observed."),
    "apisec_late": ("counter", "Requests over 10 minutes behind: neither counted by tallies nor learned from."),
    "apisec_silences": ("counter", "Times that a busy service told nothing for a batch interval: see `apisec-otel coverage`."),
    "apisec_endpoints": ("gauge", "Endpoints known."),
    "apisec_endpoints_overflow": ("counter", "Requests for whose endpoint there was no room (`endpoints::max_endpoints`)."),
    "apisec_unknown_paths": ("gauge", "Different paths that no endpoint has, within 2 %: what scanners and broken links ask for."),
    "apisec_endpoints_merged": ("counter", "Endpoints that became part of a learned template; their names still resolve."),
    "apisec_templates_evicted": ("counter", "Learned templates that left for want of room (`endpoints::max_templates`)."),
    "apisec_sessions_entries": ("gauge", "Sessions open."),
    "apisec_sessions_bytes": ("gauge", "Their memory, of `sessions::max_bytes`."),
    "apisec_sessions_evicted": ("counter", "Sessions forgotten for want of room."),
    "apisec_sessions_expired": ("counter", "Sessions that ended."),
    "apisec_secrets_overwritten": ("counter", "Values overwritten with `*`, by `key`: the header or query name that held them."),
    "apisec_table_entries": ("gauge", "Entries of a table of the plan, by `table`."),
    "apisec_table_bytes": ("gauge", "Their memory; all tables together hold `detect::max_bytes`."),
    "apisec_table_evicted": ("counter", "Entries forgotten for want of room: raise `detect::max_bytes` when it grows."),
    "apisec_table_expired": ("counter", "Entries whose time was over."),
    "apisec_steps_held": ("gauge", "Requests that wait to be judged in order."),
    "apisec_steps_bytes": ("gauge", "Their memory, of `detect::max_held`."),
    "apisec_steps_late": ("counter", "Requests that came over 6 s after those around them: judged last."),
    "apisec_steps_hurried": ("counter", "Requests judged before their time for want of room: raise `detect::max_held` when it grows."),
    "apisec_ranked_sessions": ("gauge", "Sessions that rank so high that what is raised on them weighs more."),
    "apisec_ranked_sessions_evicted": ("counter", "Sessions whose rank was forgotten for want of room."),
    "apisec_items_cut": (
        "counter",
        "Items that no detector saw, for their request has more than 64.",
    ),
    "apisec_function_faults": (
        "counter",
        "Rows in which a Python function of a detector failed, by `function`: its answer is missing there.",
    ),
    "apisec_function_keys": ("gauge", "Keys of which a `fold` or a model in Python keeps something, by `function`."),
    "apisec_function_evicted": ("counter", "Keys that it forgot for want of room."),
    "apisec_links_entries": ("gauge", "Ids of which it is known who was seen with them."),
    "apisec_links_bytes": ("gauge", "Their memory, of `decide::links`."),
    "apisec_links_evicted": ("counter", "Ids forgotten for want of room."),
    "apisec_links_expired": ("counter", "Ids not seen for four half-lives."),
    "apisec_risk_evicted": ("counter", "Entities whose risk was forgotten for want of room (`decide::entities`)."),
    "apisec_incidents": ("counter", "Changes of incidents, by `state` (open, updated, closed), `severity`, `suppressed` (`no`, `budget`)."),
    "apisec_incidents_open": ("gauge", "Incidents open now, those that the budget holds back included."),
    "apisec_incidents_withheld": ("counter", "Incidents that the budget (`decide::budget`) held back."),
    "apisec_incidents_evicted": ("counter", "Incidents closed early for want of room (`decide::incidents`)."),
    "apisec_evidence": ("gauge", "Pieces of evidence that may become an incident, of `decide::evidence`."),
    "apisec_evidence_evicted": (
        "counter",
        "Entities whose evidence was forgotten for want of room: raise `decide::evidence` when it grows.",
    ),
    "apisec_delivered_bytes": ("gauge", "Memory of spans that the backend acknowledged, of `loop_memory`, by `exporter`."),
    "apisec_snapshots": ("counter", "Snapshots of state that were written (`file_storage`)."),
    "apisec_snapshot_failures": ("counter", "Snapshots that could not be written; state is in memory only."),
    "apisec_snapshot_pause_seconds": ("gauge", "Longest pause of the engine for the last snapshot."),
    "apisec_snapshot_bytes": ("gauge", "Its size."),
    "apisec_snapshot_age_seconds": ("gauge", "Time since it was begun: so much would be lost by a kill."),
    "apisec_signals": ("counter", "Signals raised, by `detector` and `mode` (alert, shadow)."),
    "apisec_signals_withheld": ("counter", "Signals that an override does not tell, by `detector` and `reason` (off, q)."),
    "apisec_shadow_findings": (
        "counter",
        "Findings that a detector on trial would have shown, by `detector`: its rate is what going live costs.",
    ),
    "apisec_allowed": ("counter", "Signals of allowed callers, by `entry` (`allow 1` and so on, or `feedback`)."),
    "apisec_findings": ("counter", "Findings, by `detector`, `severity` and `suppressed` (`no`, or why it was not shown)."),
    "apisec_findings_dropped": ("counter", "Requests of findings that could not be sent, by `signal` and `reason` (outbox full, refused)."),
    "apisec_component_seconds": ("counter", "Time spent in a component, by `component`."),
    "apisec_component_faults": ("counter", "Exceptions in a component, by `component` and `error`; its spans went on without it."),
    "apisec_unanalysed_spans": ("counter", "Spans that went on unanalysed, by `reason` (fault, engine_stalled): look here first."),
    "apisec_file_write_failures": ("counter", "Requests that exporter `file` could not write, by `path` and `reason`."),
    "apisec_pager_waiting": (
        "gauge",
        "Changes of incidents that exporter `webhook` has yet to send, incidents that `alertmanager` keeps, by `exporter`.",
    ),
    "apisec_pager_dropped": ("counter", "Changes of incidents that were not sent, by `exporter` and `reason` (full, old, no id)."),
    "apisec_io_events": (
        "counter",
        "What happened on sockets, by `event` and `reason`: receiver_connections (how each ended), accept_errors, tls_reloads.",
    ),
}
"""Kind and meaning of each; a test compares the names with those in the code."""

SENT_METRICS = {
    semconv.METRIC_REQUESTS: ("{request}", f"API requests, by `{semconv.ENDPOINT}`; repeats of a span are not counted."),
    semconv.METRIC_FINDINGS: ("{finding}", f"Findings shown, by `{semconv.FINDING}`, `{semconv.SEVERITY}`, `{semconv.ENDPOINT}`."),
}

OUT = """\
## Metrics that it sends

Connector `findings` sends these over OTLP to the `metrics` pipelines that it feeds, every `metrics_interval`, as cumulative sums;
past 2,000 attribute sets the rest counts under `otel.metric.overflow`."""

HEALTH = """\
## Health

Extension `health_check` answers `GET /` on localhost:13133 with 200 and `Server available`, 503 before the start and while it
stops. A component that failed within the last minute stands under `degraded`, and so do an exporter whose spans come back in a
loop and a pager that cannot send; spans still flow, so the status stays 200."""


def page() -> str:
    """The page."""
    own = ((f"`{name}`", kind, UNITS.get(name, ""), meaning) for name, (kind, meaning) in SELF.items())
    sent = ((f"`{name}`", unit, meaning) for name, (unit, meaning) in SENT_METRICS.items())
    return markdown.page(
        "Metrics and health",
        INTRO,
        markdown.table(("metric", "kind", "unit", "counts"), own),
        OUT,
        markdown.table(("metric", "unit", "counts"), sent),
        HEALTH,
    )
