"""The configuration, in the Collector's grammar."""

from apisec_otel.config.load import build, read
from apisec_otel.config.model import Component, Config, Id, Pipeline

__all__ = ["Component", "Config", "Id", "Pipeline", "build", "read"]
