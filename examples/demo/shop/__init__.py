"""A small web shop's API with one flaw. It knows nothing of OpenTelemetry: `opentelemetry-instrument` adds that."""
