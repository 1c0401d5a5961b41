"""`python -m flag_harness.cli`: the `flag-harness` command, also where its script is not on the path."""

from flag_harness.cli.main import main

raise SystemExit(main())
