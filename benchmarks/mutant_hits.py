"""Tells a place of the package whether its mutant is active, and notes which test comes to it, in whatever process.

`mutants.py` copies this file into the folder of its results. It imports only what every process has imported anyway.
"""

import os

FOLDER = os.path.dirname(os.path.abspath(__file__))
TEST = "MUTANTS_TEST"
"""Names the running test, also to the processes that it starts."""
ACTIVE = "MUTANTS_ACTIVE"
"""Holds the number of the active mutant, or `learn` if hits are noted."""
SEEN: set[tuple[int, str]] = set()


def is_active(number: int) -> bool:
    """Return whether a mutant is to be run."""
    active = os.environ.get(ACTIVE)
    if active == "learn":
        key = (number, os.environ.get(TEST, ""))
        if key not in SEEN:
            SEEN.add(key)
            append_line("hits.txt", f"{number} {key[1]}")
    return active == str(number)


def append_line(name: str, line: str) -> None:
    """Append to a file that many processes write."""
    file = os.open(os.path.join(FOLDER, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)
