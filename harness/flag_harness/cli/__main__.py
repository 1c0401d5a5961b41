"""`python -m flag_harness.cli`: the `flag-harness` command, even if its script is not on the path."""

from flag_harness.cli.main import main

raise SystemExit(main())
