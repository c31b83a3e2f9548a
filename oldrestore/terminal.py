"""Lets standard output and error take every character, also where the terminal's encoding knows only ASCII."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys

HANDLER = "oldrestore-spelled"
# What our own sentences and tables hold. Of a name, every other character is written as its number, as in \u674e.
SPELLED = {"±": "+/-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "’": "'", "“": '"', "”": '"'}  # noqa: RUF001


def take_every_character() -> None:
    """Have no output of this process and its children fail for a character that an encoding lacks.

    Neither the encoding nor what it can write changes. Files are UTF-8 whatever the terminal is.
    """
    codecs.register_error(HANDLER, _spelled)
    for stream in (sys.stdout, sys.stderr):
        # A notebook and a test put streams here that are none of files.
        if hasattr(stream, "reconfigure"):
            # A stream on a file, whose descriptor was replaced by a pipe, cannot be asked where it stands.
            with contextlib.suppress(OSError):
                stream.reconfigure(errors=HANDLER)
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"  # children begin before they know our handler


def names_as_text() -> None:
    """Start this program again in UTF-8 mode where Python takes names of files for ASCII.

    That is so where ``LC_ALL=POSIX`` comes with ``PYTHONUTF8=0``. A name with an umlaut would be no text, neither for
    the files that are written nor for those a run has recorded. What the terminal is written in stays as it was.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name != "ascii" or os.name != "posix":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", getattr(sys.stdout, "encoding", None) or "ascii")
    os.execv(sys.executable, sys.orig_argv)


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no text: as it is, which is what `ls` writes
        return bytes([code - 0xDC00]), error.start + 1
    return SPELLED.get(sign) or sign.encode("ascii", "backslashreplace").decode(), error.start + 1
