"""The exception for errors that a user can fix, and the system's errors about files in our words."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path


class UserError(ValueError):
    """A wrong request: one sentence that names the thing and says what would be right, printed without a traceback;
    exit code 2.
    """


_WORDS = {
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "a folder, not a file",
    errno.ENOTDIR: "a file is where a folder should be",
    errno.EEXIST: "a file of that name exists",
    errno.ELOOP: "a loop of links",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file would be larger than is allowed",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk cannot read it",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EILSEQ: "the disk does not take this name",
}


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Set the file name of an OSError in this block: the system names none for a write, or a temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def sentence(error: OSError) -> str:
    """Say which file has an error, and which: ``'a/metrics.jsonl': the disk is full``."""
    return in_words(error) if error.filename is None else f"'{error.filename}': {in_words(error)}"


def in_words(error: OSError) -> str:
    """Describe an error of the system in a few words, for a sentence: ``the disk is full``."""
    words = _WORDS.get(error.errno or 0)
    # Paddle and services write paragraphs instead of a few words.
    return words or " ".join((error.strerror or str(error) or type(error).__name__).lower().split())
