"""Run the `flag-harness` command as `python -m flag_harness.cli`, if its script is not on the path."""

from flag_harness.cli.main import main

raise SystemExit(main())
