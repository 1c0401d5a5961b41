"""`--harness-sweep`: run tests, or one agent, under everything that can go wrong."""
