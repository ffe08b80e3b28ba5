import sys

from examples.lab.cli import main

sys.exit(main())
