"""`apisec-otel run`."""

import click

from apisec_otel.cli.options import configuration, sources_or_default


@click.command("run")
@configuration
def command(sources: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Receive traces, find attacks, send everything on.

    Without --config the packaged default runs: OTLP comes in on localhost:4317 (gRPC) and :4318 (HTTP) and goes out to
    BACKEND, by default http://localhost:14318. SIGTERM and Ctrl-C drain; SIGHUP reads the configuration again, and an
    invalid one leaves the old one running.

    \b
    Examples:
      apisec-otel run
      BACKEND=http://jaeger:4318 apisec-otel run
      apisec-otel run --config packaged:tap             a copy comes in, only findings leave
      apisec-otel run --config base.yaml --config production.yaml
      apisec-otel run --config my.yaml --set exporters::otlp_http::endpoint=http://tempo:4318

    \b
    While it runs:
      http://localhost:13133/          is it healthy?   (extension health_check)
      http://localhost:8888/metrics    its own metrics, with the Collector's names
    """
    from apisec_otel.config import read
    from apisec_otel.native_transport import NativeTransport
    from apisec_otel.service import Service

    files, default = sources_or_default(sources)
    if default:
        click.echo("no --config given: running the packaged default; `apisec-otel print-config` shows it", err=True)
    Service(load=lambda: read(files, settings), make_transport=NativeTransport).run()
