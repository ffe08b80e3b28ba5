"""`apisec-otel validate`."""

import click

from apisec_otel.cli.options import configuration, sources_or_default


@click.command("validate")
@configuration
def command(sources: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Check a configuration without running it.

    Tells every mistake with its file, line and key, and what is allowed instead. Nothing is opened or connected.

    \b
    Examples:
      apisec-otel validate --config my.yaml
      apisec-otel validate --config base.yaml --config production.yaml

    \b
    Exit codes:
      0  it can be run
      2  it cannot; the mistakes are on stderr
    """
    from apisec_otel.config import read

    files, _ = sources_or_default(sources)
    config = read(files, settings)
    for note in config.notes:
        click.echo(f"{click.style('note:', fg='yellow')} {note}", err=True)
    for pipeline in config.pipelines:
        steps = [pipeline.receivers, pipeline.processors, pipeline.exporters]
        click.echo(f"{pipeline.id}: {' -> '.join(', '.join(str(each.id) for each in step) for step in steps if step)}")
