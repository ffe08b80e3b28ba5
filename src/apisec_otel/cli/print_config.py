"""`apisec-otel print-config`."""

import json

import click

from apisec_otel.cli.options import configuration, sources_or_default


@click.command("print-config")
@configuration
@click.option("--schema", is_flag=True, help="Print the JSON Schema of configuration files instead, for editors.")
def command(sources: tuple[str, ...], settings: tuple[str, ...], schema: bool) -> None:
    """Print a configuration as it will run: merged, expanded, with every default; secrets are hidden.

    Without --config that of the packaged default, a good file to start from.

    \b
    Examples:
      apisec-otel print-config > my.yaml
      apisec-otel print-config --config base.yaml --config production.yaml
      apisec-otel print-config --schema > apisec-otel.schema.json
          and in the first line of a configuration file:
          # yaml-language-server: $schema=apisec-otel.schema.json
    """
    if schema:
        from apisec_otel.config.schema import schema as make

        click.echo(json.dumps(make(), indent=2))
        return
    from apisec_otel.config import read
    from apisec_otel.config.show import show

    files, _ = sources_or_default(sources)
    click.echo(show(read(files, settings)), nl=False)
