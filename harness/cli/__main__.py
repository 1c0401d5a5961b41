"""`python -m harness.cli`: the `harness` command, also where its script is not on the path."""

from harness.cli.main import main

raise SystemExit(main())
