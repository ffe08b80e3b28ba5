"""The configuration of an Envoy in front of an application, its OpenTelemetry tracer on."""

import json
from typing import Any

TYPES = "type.googleapis.com/envoy"


def configuration(port: int, upstream: int, sink: int) -> str:
    """Listens on `port`, asks `upstream`, tells its spans to an OTLP/HTTP backend; all on loopback. YAML is a superset of JSON."""
    return json.dumps(
        {
            "static_resources": {
                "listeners": [{"address": _address(port), "filter_chains": [{"filters": [_manager(sink)]}]}],
                "clusters": [_cluster("shop", upstream), _cluster("otlp", sink)],
            }
        }
    )


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _manager(sink: int) -> dict[str, Any]:
    manager = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "shop",
        "use_remote_address": True,
        "tracing": {"provider": _tracer(sink)},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"}}],
        "route_config": {
            "virtual_hosts": [{"name": "shop", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "shop"}}]}]
        },
    }
    return {"name": "http", "typed_config": manager}


def _tracer(sink: int) -> dict[str, Any]:
    told = {
        "@type": f"{TYPES}.config.trace.v3.OpenTelemetryConfig",
        "service_name": "gateway",
        "http_service": {"http_uri": {"uri": f"http://127.0.0.1:{sink}/v1/traces", "cluster": "otlp", "timeout": "2s"}},
    }
    return {"name": "opentelemetry", "typed_config": told}
