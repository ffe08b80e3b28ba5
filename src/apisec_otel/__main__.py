"""`python -m apisec_otel`."""

from apisec_otel.cli import main

main()
