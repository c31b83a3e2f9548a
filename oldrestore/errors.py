"""The one exception for what a user can mend, and the system's complaints about files in our words."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path


class UserError(ValueError):
    """A request that cannot be carried out as it stands.

    Its message is one sentence that names the thing and says what would be right. The command line prints
    it and exits with code 2, without a traceback.
    """


_WORDS = {
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "a folder, not a file",
    errno.ENOTDIR: "a file stands where a folder should be",
    errno.EEXIST: "a file of that name is there",
    errno.ELOOP: "a loop of links",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file would be larger than is allowed",
    errno.EROFS: "the disk may only be read",
    errno.EIO: "the disk cannot read it",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EILSEQ: "the disk does not take this name",
}


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an OSError of this block the name of a file: the system tells none of a write, or that of a neighbour."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def sentence(error: OSError) -> str:
    """Say which file the system complains of, and of what: ``'a/metrics.jsonl': the disk is full``."""
    return in_words(error) if error.filename is None else f"'{error.filename}': {in_words(error)}"


def in_words(error: OSError) -> str:
    """Say what the system complains of, in a few words for a sentence of ours: ``the disk is full``."""
    known = _WORDS.get(error.errno or 0)
    # Paddle and services write paragraphs where the system writes a few words.
    return known or " ".join((error.strerror or str(error) or type(error).__name__).lower().split())
