"""What a sink is told to answer, and how OTLP says it on both protocols."""

from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
SERVICES: dict[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
}
PATHS: dict[str, Signal] = {f"/v1/{signal}": signal for signal in SIGNALS}
RESPONSES: dict[Signal, tuple[Any, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}
CODES = {"INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "RESOURCE_EXHAUSTED": 8, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One reply; the default accepts everything."""

    grpc: str = "OK"
    """Name of a gRPC code."""
    http: int = 200
    """HTTP status."""
    message: str = ""
    retry_after: float | None = None
    """Seconds: RetryInfo on gRPC, Retry-After on HTTP."""
    rejected: int = 0
    """partial_success: items that are refused, with `message`."""
    delay: float = 0
    """Seconds until the reply."""
    garbage: bytes | None = None
    """A body that is no OTLP, sent as it is."""

    @property
    def accepts(self) -> bool:
        """Whether the sender may take the request for delivered."""
        return self.grpc == "OK" and self.http == 200 and self.garbage is None

    def details(self) -> bytes:
        """google.rpc.Status of a refusal, serialized, RetryInfo included."""
        status = Status(code=CODES.get(self.grpc, 2), message=self.message)
        if self.retry_after is not None:
            info = RetryInfo(retry_delay=Duration(nanos=int(self.retry_after % 1 * 1e9), seconds=int(self.retry_after)))
            packed = Packed()
            packed.Pack(info)
            status.details.append(packed)
        return status.SerializeToString()

    def body(self, signal: Signal, as_json: bool = False) -> bytes:
        """The Export response, serialized."""
        if self.garbage is not None:
            return self.garbage
        response, field = RESPONSES[signal]
        reply: Any = response()
        if self.rejected or self.message:
            setattr(reply.partial_success, field, self.rejected)
            reply.partial_success.error_message = self.message
        body: bytes = MessageToJson(reply, indent=None).encode() if as_json else reply.SerializeToString()
        return body


ACCEPT = Answer()
UNAVAILABLE = Answer(grpc="UNAVAILABLE", http=503, message="not now")
INVALID = Answer(grpc="INVALID_ARGUMENT", http=400, message="never")
FULL = Answer(grpc="RESOURCE_EXHAUSTED", http=429, message="slower", retry_after=1)
