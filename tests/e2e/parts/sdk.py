"""OpenTelemetry's own Python SDK and exporters as a sender.

    python -m parts.sdk grpc|http none|gzip ENDPOINT COUNT        (in tests/e2e)

Makes COUNT request spans, each with a child, and prints {"sent": 2 * COUNT, "flushed": true, "ids": ["trace:span", ...]}.
"""

import json
import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

REQUEST: dict[str, str | int] = {"http.request.method": "GET", "http.route": "/items/{id}", "http.response.status_code": 200}


def exporter(protocol: str, compression: str, endpoint: str) -> SpanExporter:
    """The stock exporter of a protocol."""
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        chosen = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        return GrpcExporter(endpoint=endpoint, insecure=True, compression=chosen)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter(endpoint=f"{endpoint}/v1/traces", compression=Compression(compression))


def main(protocol: str, compression: str, endpoint: str, count: str) -> None:
    """Sends and reports."""
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk-client"}))
    provider.add_span_processor(BatchSpanProcessor(exporter(protocol, compression, endpoint), max_export_batch_size=64))
    tracer = provider.get_tracer("e2e")
    ids = []
    for number in range(int(count)):
        request = REQUEST | {"url.path": f"/items/{number}"}
        with (
            tracer.start_as_current_span("GET /items/{id}", kind=SpanKind.SERVER, attributes=dict(request)) as parent,
            tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT) as child,
        ):
            ids += [parent.get_span_context(), child.get_span_context()]
    flushed = provider.force_flush(20_000)
    provider.shutdown()
    keys = [f"{format_trace_id(each.trace_id)}:{format_span_id(each.span_id)}" for each in ids]
    print(json.dumps({"sent": len(keys), "flushed": flushed, "ids": keys}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
