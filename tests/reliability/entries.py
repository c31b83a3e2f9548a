"""Entries of folders that are odd in themselves: names, links, permissions, pipes, devices, folders."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.cases import Case, blocks, jpeg

JPEG_TOLERANCE = 4


def odd_entries() -> Iterator[Case]:
    """Every case of this file."""
    yield from _names()
    yield from _links()
    yield from _no_files()


def _whole(kind: str, name: bytes, seed: int) -> Case:
    return Case(kind, name, jpeg(seed), blocks(seed), JPEG_TOLERANCE)


def _names() -> Iterator[Case]:
    names = {
        "names with spaces, line breaks, quotes and a leading dash": [
            b"two words.jpg",
            b" leading and trailing .jpg",
            b"line\nbreak.jpg",
            b"carriage\rreturn\ttab.jpg",
            b"-rf.jpg",
            b"--overwrite.jpg",
            b"quote'\"`$(x).jpg",
            b"[red]rich[bold].jpg",
            b"\x1b[31mescape.jpg",
            b"a=b.jpg",
        ],
        "names that are not UTF-8": [b"caf\xe9.jpg", b"\xff\xfe.jpg", b"\xed\xa0\x80.jpg"],
        "names of 255 bytes": [b"x" * 251 + b".jpg", "ä".encode() * 125 + b"y.jpg", b"x" * 250 + b"1.jpg"],
        "names in Unicode": ["Oma ☺ 日本.jpg".encode(), "e\u0301.jpg".encode(), b"UPPER.JPG", b"two.dots.jpg"],
    }
    seed = 500
    for kind, several in names.items():
        for name in several:
            seed += 1
            yield _whole(kind, name, seed)


def _links() -> Iterator[Case]:
    kind = "links: dangling, in loops, to themselves"

    def link(target: str) -> Callable[[Path], None]:
        return lambda path: path.symlink_to(target)

    yield Case(kind, b"dangling.jpg", link("nowhere/there.jpg"), reason="a link that leads nowhere")
    yield Case(kind, b"itself.jpg", link("itself.jpg"), reason="loop")
    yield Case(kind, b"loop-a.jpg", link("loop-b.jpg"), reason="loop")
    yield Case(kind, b"loop-b.jpg", link("loop-a.jpg"), reason="loop")


def _no_files() -> Iterator[Case]:
    kind = "pipes, sockets and devices named as photographs"

    def bind(path: Path) -> None:
        # A socket's address is short; from its own folder the name suffices.
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)

    yield Case(kind, b"pipe.jpg", os.mkfifo, reason="not a file")
    yield Case(kind, b"socket.jpg", bind, reason="not a file")
    for device in ("zero", "null", "full", "random"):
        yield Case(
            kind,
            f"device-{device}.jpg".encode(),
            lambda path, device=device: path.symlink_to(f"/dev/{device}"),
            reason="not a file",
        )
    yield Case("folders named as photographs", b"folder.jpg", Path.mkdir, reason="a folder, not a")
    yield Case("folders named as photographs", b"folder.png", Path.mkdir, reason="a folder, not a")
    kind = "files that would fill the memory"
    yield Case(kind, b"sparse.jpg", lambda path: _sparse(path, 2**40), reason="bytes, above the limit")
    yield Case(kind, b"sparse-3-gb.tif", lambda path: _sparse(path, 3 * 2**30), reason="bytes, above the limit")


def _sparse(path: Path, size: int) -> None:
    """A file of holes: it takes no room on the disk, and that many bytes in memory."""
    with path.open("wb") as file:
        file.write(b"\xff\xd8\xff\xe0")
        file.truncate(size)
