"""`python -m minidyn` is the `minidyn` command."""

import sys

from minidyn.experiments.cli import main

sys.exit(main())
