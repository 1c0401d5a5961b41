"""Find the line of the project that is running now."""

import sys
import sysconfig
from pathlib import Path
from types import FrameType

from flag_harness.files import display_path

_LIBRARY_FOLDERS = tuple(
    str(folder) for folder in (Path(__file__).parent, sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
)


def find_calling_line() -> str:
    """Return the line of the project's code that is running now, such as `bot.py:24`, or an empty string.

    It is the innermost frame of the call stack that is not in the standard library, an installed package or the
    harness.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((*_LIBRARY_FOLDERS, "<")) and "site-packages" not in file:
            return f"{display_path(Path(file))}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
