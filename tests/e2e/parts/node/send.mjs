// OpenTelemetry's own Node SDK and exporters as a sender.
//
//     node send.mjs proto|json|grpc none|gzip ENDPOINT COUNT
//
// Makes COUNT request spans, each with a child, and prints {"sent": 2 * COUNT, "flushed": true, "ids": ["trace:span", ...]}.
// `flushed` is false, and the exit code 1, when an export failed.
import { SpanKind, context, trace } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [protocol, compression, endpoint, count] = process.argv.slice(2);
const PACKAGES = {
  proto: "@opentelemetry/exporter-trace-otlp-proto",
  json: "@opentelemetry/exporter-trace-otlp-http",
  grpc: "@opentelemetry/exporter-trace-otlp-grpc",
};
const { OTLPTraceExporter } = await import(PACKAGES[protocol]);
const url = protocol === "grpc" ? `http://${endpoint}` : `${endpoint}/v1/traces`;
const exporter = new OTLPTraceExporter({ url, compression, timeoutMillis: 10000 });
let flushed = true;
const send = exporter.export.bind(exporter);
exporter.export = (spans, done) =>
  send(spans, (result) => {
    if (result.code !== 0) {
      flushed = false;
      console.error(result.error);
    }
    done(result);
  });

const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node-client" }),
  spanProcessors: [new BatchSpanProcessor(exporter, { maxExportBatchSize: 64, maxQueueSize: 100000 })],
});
const tracer = provider.getTracer("e2e");
const ids = [];
for (let number = 0; number < Number(count); number++) {
  const attributes = {
    "http.request.method": "GET",
    "http.route": "/items/:id",
    "url.path": `/items/${number}`,
    "http.response.status_code": 200,
  };
  const parent = tracer.startSpan("GET /items/:id", { kind: SpanKind.SERVER, attributes });
  const child = tracer.startSpan("SELECT", { kind: SpanKind.CLIENT }, trace.setSpan(context.active(), parent));
  child.end();
  parent.end();
  for (const span of [parent, child]) {
    const { traceId, spanId } = span.spanContext();
    ids.push(`${traceId}:${spanId}`);
  }
}
await provider.forceFlush().catch(() => (flushed = false));
await provider.shutdown().catch(() => (flushed = false));
console.log(JSON.stringify({ sent: ids.length, flushed, ids }));
process.exit(flushed ? 0 : 1);
