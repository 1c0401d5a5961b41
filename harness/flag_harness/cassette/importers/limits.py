"""How much of a foreign file is read before it is refused."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is read. The largest cassette known to us has 3 MiB; these are there against files made to harm.

    `file`: bytes of a file. `depth`: values inside values. `expanded`: characters and values of a document, what YAML
    aliases repeat counted each time. `decoded`: bytes of all decompressed bodies of a file.
    """

    file: int = 64 * MEBIBYTE
    depth: int = 200
    expanded: int = 128 * MEBIBYTE
    decoded: int = 128 * MEBIBYTE
