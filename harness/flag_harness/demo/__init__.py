"""The small project, in `project/`, that `flag-harness demo` copies and tests. No module imports it."""
