"""Standard output and error: every character can be printed, even in ASCII; terminal width and styles."""

from __future__ import annotations

import codecs
import contextlib
import os
import shutil
import sys

HANDLER = "oldrestore-spelled"
# Characters of our own sentences and tables. Any other character is written as its code, such as \u674e.
SPELLED = {"±": "+/-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "’": "'", "“": '"', "”": '"'}  # noqa: RUF001


def take_every_character() -> None:
    """Keep this process and its children from failing on characters that the terminal's encoding (unchanged) lacks."""
    codecs.register_error(HANDLER, _spelled)
    for stream in (sys.stdout, sys.stderr):
        # Notebooks and tests replace the streams by other objects.
        if hasattr(stream, "reconfigure"):
            # A file stream whose descriptor was replaced by a pipe has no position.
            with contextlib.suppress(OSError):
                stream.reconfigure(errors=HANDLER)
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"  # children do not have our handler yet


def names_as_text() -> None:
    """Restart this program in UTF-8 mode if Python reads file names as ASCII (``LC_ALL=POSIX`` and ``PYTHONUTF8=0``).

    Otherwise, a name with an umlaut could be neither written nor recorded as text. The terminal's encoding is kept.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name != "ascii" or os.name != "posix":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", getattr(sys.stdout, "encoding", None) or "ascii")
    os.execv(sys.executable, sys.orig_argv)


def columns() -> int | None:
    """Return the width of the terminal; None if standard output is a pipe or file, which has no width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def shows_bold() -> bool:
    """Say whether standard output is a terminal that shows styles, and NO_COLOR is not set."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not text: written unchanged, as by `ls`
        return bytes([code - 0xDC00]), error.start + 1
    return SPELLED.get(sign) or sign.encode("ascii", "backslashreplace").decode(), error.start + 1
