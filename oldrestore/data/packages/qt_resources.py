"""Reads the files inside a Qt resource collection (.rcc), with every offset checked."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"qres"
FLAG_ZLIB = 1
FLAG_FOLDER = 2
FLAG_ZSTD = 4
NODE_BYTES = {1: 14, 2: 22, 3: 22}
"""Size of a tree node by format version; since version 2 it ends in a modification time."""

MAX_DEPTH = 64
MAX_FILE_BYTES = 1 << 28


class BrokenResource(ValueError):  # noqa: N818 (a finding about a file)
    """An .rcc file that is not what its headers say."""


def read_resources(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the (path, contents) of every file in a resource collection.

    The format (Qt's rcc tool, ``rcc --binary``): the magic ``qres``, then big-endian 32-bit version and the
    offsets of the tree, the data and the names. A tree node holds the offset of its name and its flags;
    a folder then its number of children and the first child's node; a file its language and country and the
    offset of its data. Data is a 32-bit length and that many bytes, compressed with zlib (behind a 32-bit
    uncompressed length) or zstd when the flags say so. A name is a 16-bit length, a 32-bit hash and UTF-16.
    `BrokenResource` is raised for other files, and for offsets outside of the file.
    """
    yield from _Reader(path.read_bytes()).walk(0, (), 0)


class _Reader:
    def __init__(self, data: bytes):
        if data[:4] != MAGIC:
            raise BrokenResource("not a Qt resource file")
        self.data = data
        version, self.tree, self.contents, self.names = self._unpack(">4I", 4)
        if version not in NODE_BYTES:
            raise BrokenResource(f"Qt resource format version {version} is not known")
        self.node_bytes = NODE_BYTES[version]
        # A node is visited once at most, so that folders which hold one another cannot go on for ever.
        self.visited: set[int] = set()

    def walk(self, node: int, folders: tuple[str, ...], depth: int) -> Iterator[tuple[str, bytes]]:
        if node in self.visited or depth > MAX_DEPTH:
            raise BrokenResource("folders hold one another")
        self.visited.add(node)
        at = self.tree + node * self.node_bytes
        name_offset, flags = self._unpack(">IH", at)
        path = (*folders, self._name(name_offset)) if node else ()
        if flags & FLAG_FOLDER:
            count, first = self._unpack(">II", at + 6)
            for child in range(first, first + count):
                yield from self.walk(child, path, depth + 1)
        else:
            (data_offset,) = self._unpack(">I", at + 10)
            yield "/".join(path), self._content(data_offset, flags)

    def _name(self, offset: int) -> str:
        (length,) = self._unpack(">H", self.names + offset)
        return self._slice(self.names + offset + 6, 2 * length).decode("utf-16-be", "replace")

    def _content(self, offset: int, flags: int) -> bytes:
        (length,) = self._unpack(">I", self.contents + offset)
        stored = self._slice(self.contents + offset + 4, length)
        if flags & FLAG_ZLIB:
            return _unzip(stored)
        return _unzstd(stored) if flags & FLAG_ZSTD else stored

    def _unpack(self, layout: str, at: int) -> tuple[int, ...]:
        return struct.unpack(layout, self._slice(at, struct.calcsize(layout)))

    def _slice(self, at: int, length: int) -> bytes:
        if at + length > len(self.data):
            raise BrokenResource("it ends before its contents do")
        return self.data[at : at + length]


def _unzip(stored: bytes) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(stored[4:], MAX_FILE_BYTES)
    except zlib.error as error:
        raise BrokenResource(f"its zlib data is corrupt ({error})") from error
    if not unpacker.eof or len(stored) < 4 or len(content) != int.from_bytes(stored[:4], "big"):
        raise BrokenResource("its zlib data is not as long as it says")
    return content


def _unzstd(stored: bytes) -> bytes:
    """Unpack zstd, which Python's library gains in 3.14, with pyarrow, a dependency of MLflow."""
    import pyarrow

    try:
        with pyarrow.input_stream(pyarrow.BufferReader(stored), compression="zstd") as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise BrokenResource(f"its zstd data is corrupt ({error})") from error
