"""Entries of folders that are odd in themselves: names, links, permissions, pipes, devices, folders."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.cases import JPEG_TOLERANCE, Case, blocks, jpeg

NAMES = {
    "names with spaces, line breaks, quotes and a leading dash": [
        "two words.jpg",
        " leading and trailing .jpg",
        "line\nbreak.jpg",
        "carriage\rreturn\ttab.jpg",
        "-rf.jpg",
        "--overwrite.jpg",
        "quote'\"`$(x).jpg",
        "[red]rich[bold].jpg",
        "\x1b[31mescape.jpg",
        "a=b.jpg",
    ],
    "names that are not UTF-8": [b"caf\xe9.jpg", b"\xff\xfe.jpg", b"\xed\xa0\x80.jpg"],
    "names of 255 bytes": ["x" * 251 + ".jpg", "ä" * 125 + "y.jpg", "x" * 250 + "1.jpg"],
    "names in Unicode": ["Oma ☺ 日本.jpg", "e\u0301.jpg", "UPPER.JPG", "two.dots.jpg"],
}


def odd_entries() -> Iterator[Case]:
    """Every case of this file."""
    named = [(kind, name) for kind, names in NAMES.items() for name in names]
    for seed, (kind, name) in enumerate(named, 501):
        yield Case(kind, name, jpeg(seed), blocks(seed), JPEG_TOLERANCE)
    kind = "links: dangling, in loops, to themselves"
    yield Case(kind, "dangling.jpg", _link("nowhere/there.jpg"), reason="a link that leads nowhere")
    for name, target in (("itself", "itself"), ("loop-a", "loop-b"), ("loop-b", "loop-a")):
        yield Case(kind, f"{name}.jpg", _link(f"{target}.jpg"), reason="loop")
    kind = "pipes, sockets and devices named as photographs"
    devices = {f"device-{device}": _link(f"/dev/{device}") for device in ("zero", "null", "full", "random")}
    for name, make in {"pipe": os.mkfifo, "socket": _socket, **devices}.items():
        yield Case(kind, f"{name}.jpg", make, reason="not a file")
    for name in ("folder.jpg", "folder.png"):
        yield Case("folders named as photographs", name, Path.mkdir, reason="a folder, not a")
    for name, size in (("sparse.jpg", 2**40), ("sparse-3-gb.tif", 3 * 2**30)):
        yield Case("files that would fill the memory", name, _sparse(size), reason="bytes, above the limit")


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _socket(path: Path) -> None:
    # A socket's address is short; from its own folder the name suffices.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(size: int) -> Callable[[Path], None]:
    """A file of holes: it takes no room on the disk, and that many bytes in memory."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(b"\xff\xd8\xff\xe0")
            file.truncate(size)

    return write
