"""`python -m apisec_otel` is the command."""

from apisec_otel.cli import main

if __name__ == "__main__":
    main()
