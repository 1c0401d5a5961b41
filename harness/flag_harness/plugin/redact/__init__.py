"""Apply `cassette.redact` to the tests of a run: to their ids, logs, reports and recordings."""
