"""Find out from a project's source code which flags it reads, and how. The code is parsed, not run."""
